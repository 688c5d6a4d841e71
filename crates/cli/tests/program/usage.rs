//! Help and usage errors.

use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;

use crate::support::{Colors, run, text};

/// Every command, as it is typed.
const COMMANDS: [&[&str]; 26] = [
    &["demo"],
    &["recipe", "list"],
    &["recipe", "show"],
    &["recipe", "diff"],
    &["recipe", "from-journal"],
    &["recipe", "from-caffe"],
    &["recipe", "from-cuda-convnet"],
    &["data", "check"],
    &["data", "fix"],
    &["data", "pack"],
    &["data", "bench"],
    &["train"],
    &["edit"],
    &["lr-find"],
    &["reproduce"],
    &["eval"],
    &["classify"],
    &["inspect"],
    &["quantize"],
    &["ensemble"],
    &["import"],
    &["export"],
    &["plan-cluster"],
    &["bench"],
    &["completions"],
    &["man"],
];

#[test]
fn every_command_has_help_with_an_example() {
    let (out, _) = run(&["--help"], 0);
    for command in COMMANDS {
        assert!(out.contains(command[0]), "{out}");
        let (help, _) = run(&[command, &["--help"]].concat(), 0);
        assert!(help.contains(&format!("\n  alexnet {}", command.join(" "))), "{help}");
        assert!(help.contains("--json") && help.contains("--quiet"), "{help}");
    }
    // One layout: the values of an option are in its line.
    for command in COMMANDS {
        let (help, _) = run(&[command, &["--help"]].concat(), 0);
        assert!(!help.contains("Possible values:") && !help.contains("possible values: f32"), "{help}");
    }
    let (out, _) = run(&["--version"], 0);
    assert_eq!(out, format!("alexnet {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_usage_error_has_a_message_help_and_one_line_of_usage() {
    let (out, err) = run(&["train", "pets/", "--recipe", "small", "--lr", "0.001"], 2);
    let expected = "error: unknown option `--lr`\n help: use `--set optimizer.rate=0.001`\n\
                    usage: alexnet train [OPTIONS] <SRC> --recipe <NAME|FILE> (see `alexnet train --help`)\n";
    assert_eq!((out.as_str(), err.as_str()), ("", expected));
    for args in [vec!["trian"], vec!["classify", "m"], vec!["train"], vec!["eval"], vec!["edit", "r"]] {
        let (out, err) = run(&args, 2);
        assert!(out.is_empty() && err.lines().count() <= 3, "{args:?}: {err}");
        assert!(err.lines().last().unwrap().starts_with("usage: alexnet"), "{args:?}: {err}");
    }
}

#[test]
fn typing_errors_get_a_suggestion() {
    for (args, expected) in [
        (vec!["trian"], "did you mean `train`?"),
        (vec!["data", "chekc"], "unknown data command `chekc`"),
        (vec!["recipe", "show", "papr"], "`paper`"),
        (vec!["recipe", "show", "paper", "--jsn"], "did you mean `--json`?"),
        (vec!["recipe", "diff", "paper", "cafe"], "`caffe`"),
        (
            vec!["eval", "m", "--data", "d", "--views", "3"],
            "invalid value `3` for `--views`: expected 1 or 10",
        ),
        (
            vec!["eval", "m", "--data", "d", "--batch", "0"],
            "invalid value `0` for `--batch`: expected a whole number from 1 to 65536",
        ),
        (vec!["eval", "m", "--data"], "`--data` needs a value"),
        (vec!["classify", "m"], "missing `IMAGE`"),
        (vec!["train", "x"], "missing `--recipe NAME|FILE`"),
        (vec!["train", "x", "--recipe", "small", "--set", "rate"], "expected KEY=VALUE"),
        (vec!["train", "x", "--recipe", "small", "--seed", "1", "--seed", "2"], "`--seed` is given twice"),
        (vec!["train", "--seed", "1", "--resume", "r"], "`--seed` cannot be combined with `--resume`"),
        (
            vec!["train", "x", "--recipe", "small", "--exist-ok", "--forecast"],
            "a forecast deletes its run folder: leave `--exist-ok` out",
        ),
        (vec!["edit"], "missing `RUN`, `KEY=VALUE`"),
        (vec!["recipe", "list", "all"], "unexpected argument `all`"),
        (vec!["train", "x", "--recipe", "small", "--epochs", "ten"], "expected a whole number, 1 or more"),
        (vec![], "Usage: alexnet [OPTIONS] <COMMAND>"),
        (vec!["data"], "Usage: alexnet data [OPTIONS] <COMMAND>"),
    ] {
        let (out, err) = run(&args, 2);
        assert!(out.is_empty() && err.contains(expected), "{args:?}: {err}");
    }
}

#[test]
fn names_from_other_programs_lead_to_ours() {
    let train = ["train", "pets/", "--recipe", "small"];
    for (args, expected) in [
        (["--learning-rate=0.5", ""], "use `--set optimizer.rate=0.5`"),
        (["--lr", "$(reboot)"], "use `--set optimizer.rate='$(reboot)'`"),
        (["--batch-size", "32"], "use `--set optimizer.batch=32`"),
        (["--batch_size", "32"], "use `--set optimizer.batch=32`"),
        (["--num-workers", "4"], "use `--workers 4`"),
        (["--device", "cuda"], "runs on the CPU"),
        (["--pretrained", ""], "use `--init MODEL`"),
        (["--output", "runs/x"], "use `--run runs/x`"),
        (["--model", "paper"], "use `--recipe paper`"),
        (["--num-epochs", "5"], "use `--epochs 5`"),
        (["--micro_batch", "9"], "use `--micro-batch`"),
        (["--weight-decay", ""], "use `--set optimizer.decay=0.0005`"),
        (["--verbose", ""], "ALEXNET_LOG=debug"),
        (["--fp16", ""], "`--precision bf16`"),
        (["-b", "32"], "use `--set optimizer.batch=32`"),
        (
            ["--val-split", "0.2"],
            "one in ten images of each class are held out for validation; to choose them,",
        ),
    ] {
        let args: Vec<&str> = args.into_iter().filter(|arg| !arg.is_empty()).collect();
        let (_, err) = run(&[&train[..], &args].concat(), 2);
        assert!(err.contains("unknown option `-") && err.contains(expected), "{args:?}: {err}");
    }
    for (args, expected) in [
        (vec!["lr-find", "pets/", "--recipe", "small", "--epochs", "2"], "`--steps 100`"),
        (vec!["lr-find", "pets/", "--recipe", "small", "--lr", "1e-3"], "use `--from 1e-3`"),
        (vec!["eval", "m", "--data", "d", "--batch-size", "8"], "use `--batch 8`"),
        (vec!["eval", "--model", "m", "--data", "d"], "`alexnet eval m --data d`"),
        (vec!["train", "--data=my pets", "--recipe", "small"], "`alexnet train 'my pets' --recipe small`"),
        (vec!["classify", "m", "--input", "x.jpg"], "`alexnet classify m x.jpg`"),
        (vec!["eval", "m", "--data", "d", "--output", "found"], "use `--out found`"),
        (vec!["classify", "m", "x.jpg", "--topk", "3"], "use `--top 3`"),
        (vec!["data", "pack", "a", "--out", "b"], "`alexnet data pack a b`"),
        (vec!["predict", "m", "x.jpg"], "`alexnet classify MODEL IMAGE...`"),
        (vec!["test", "m"], "`alexnet eval MODEL --data SRC`"),
        (vec!["classify", "m", "x.jpg", "--workers", "4"], "use `--threads 4`"),
        (vec!["classify", "m", "x.jpg", "--gpu"], "on all cores or `--threads N`"),
        (vec!["export", "m", "o", "--device", "cuda"], "everything runs on the CPU\n"),
        (vec!["list"], "use `alexnet recipe list`"),
    ] {
        let (_, err) = run(&args, 2);
        assert!(err.contains(expected), "{args:?}: {err}");
    }
    // An option that the command does not have is no advice.
    for (args, unexpected) in [
        (vec!["export", "m", "o", "--workers", "4"], "--threads"),
        (vec!["data", "list"], "alexnet recipe list"),
    ] {
        let (_, err) = run(&args, 2);
        assert!(!err.contains(unexpected), "{args:?}: {err}");
    }
}

#[test]
fn arguments_in_the_wrong_place_lead_to_the_command_that_works() {
    for (line, message, help) in [
        ("reproduce relu", "missing `SRC`: the images\n", "`alexnet reproduce relu SRC`"),
        ("reproduce --seeds 3 relu", "missing `SRC`: the images\n", "`alexnet reproduce --seeds 3 relu SRC`"),
        ("reproduce images/", "missing `EXPERIMENT`\n", "usage:"),
        ("import f.pth", "missing `OUT`: the model to write\n", "`alexnet import f.pth OUT`"),
        ("ensemble runs/a", "missing `OUT`: the file to write\n", "`alexnet ensemble runs/a MODEL OUT`"),
        (
            "ensemble A B --views 1 out",
            "unexpected argument `out`",
            "`OUT` follows the others directly: `alexnet ensemble A B out --views 1`",
        ),
        ("import f.onnx --verify new out", "argument `out`", "`alexnet import f.onnx out --verify new`"),
        (
            "reproduce lrn --recipe small clothes --quiet",
            "unexpected argument `clothes`",
            "`alexnet reproduce lrn clothes --recipe small --quiet`",
        ),
        (
            "inspect filters runs/pets --out f.svg",
            "unexpected argument `runs/pets`",
            "the model comes first: `alexnet inspect runs/pets filters --out f.svg`",
        ),
        (
            "inspect neighbors runs/pets --data pets --out f.svg",
            "missing `MODEL`",
            "`alexnet inspect runs/pets neighbors --data pets --out f.svg`",
        ),
        ("inspect m predictions --out f.svg", "missing `IMAGE` or `--data SRC`\n", "usage:"),
        ("eval runs/pets pets", "missing `--data SRC`", "`alexnet eval runs/pets --data pets`"),
        ("eval runs/pets", "missing `--data SRC`", "`alexnet eval runs/pets --data SRC`"),
        ("bench paper", "unexpected argument `paper`", "`alexnet bench --recipe paper`"),
        ("train pets small", "unexpected argument `small`", "`alexnet train pets --recipe small`"),
        ("train pets my.toml", "unexpected argument `my.toml`", "`alexnet train pets --recipe my.toml`"),
        ("recipe paper", "unknown recipe command `paper`", "`alexnet recipe show paper`"),
        ("data .", "unknown data command `.`", "`alexnet data check .`"),
        ("lr-find p --recipe small --plot rates.png", "`rates.png` for `--plot`", "ends in .svg"),
        ("plan-cluster --svg plan", "`plan` for `--svg`", "ends in .svg"),
        ("tain", "unknown command `tain`", "did you mean `train`?"),
        ("lrfind", "unknown command `lrfind`", "did you mean `lr-find`?"),
        ("data chekc", "unknown data command", "did you mean `check`?"),
    ] {
        let (_, err) = run(&line.split(' ').collect::<Vec<_>>(), 2);
        assert!(err.contains(message) && err.contains(help), "{line}: {err}");
    }
}

/// Runs in `folder` and returns standard error.
fn rejected_in(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(cargo_bin!("alexnet")).current_dir(folder).args(args).output().unwrap();
    let err = text(&output.stderr);
    assert!(!output.status.success() && !err.contains("panicked"), "{args:?}: {err}");
    err
}

/// What shells make of `Fotos/*`, of a name with spaces and of one that starts with `-`.
#[test]
fn paths_that_a_shell_takes_apart_lead_to_the_command_that_works() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["Fotos/Horn", "Fotos/Hund", "Fotos/Katze", "Meine Fotos 2024/Hund"] {
        std::fs::create_dir_all(folder.path().join(path)).unwrap();
    }
    std::fs::write(folder.path().join("-foto.jpg"), "").unwrap();
    let fotos = ["Fotos/Horn", "Fotos/Hund", "Fotos/Katze"];
    for (args, message, help) in [
        (
            [&["train"][..], &fotos, &["--recipe", "small"]].concat(),
            "unexpected argument `Fotos/Hund`",
            "give the one folder that contains the class folders: `alexnet train Fotos --recipe small`",
        ),
        (
            [&["data", "check"][..], &fotos].concat(),
            "unexpected argument `Fotos/Hund`",
            "`alexnet data check Fotos`",
        ),
        (
            vec!["data", "check", "Meine", "Fotos", "2024"],
            "unexpected argument `Fotos`",
            "quote a path with spaces: `alexnet data check 'Meine Fotos 2024'`",
        ),
        (
            vec!["train", "Meine", "Fotos", "2024", "--recipe", "small"],
            "unexpected argument `Fotos`",
            "`alexnet train 'Meine Fotos 2024' --recipe small`",
        ),
        (vec!["train", "fotos", "--recipe", "small"], "fotos", "did you mean `Fotos`?"),
        (
            vec!["classify", "m.safetensors", "-foto.jpg"],
            "unknown option `-foto.jpg`",
            "`alexnet classify m.safetensors ./-foto.jpg`",
        ),
        (
            vec!["classify", "m.safetensors", "https://example.org/a?b"],
            "https://example.org/a?b is an address",
            "`curl -sL 'https://example.org/a?b' | alexnet classify m.safetensors -`",
        ),
        (
            vec!["eval", "Fotos", "--data", "m.safetensors"],
            "Fotos",
            "the model comes first: `alexnet eval m.safetensors --data Fotos`",
        ),
    ] {
        let err = rejected_in(folder.path(), &args);
        assert!(err.contains(message) && err.contains(help), "{args:?}: {err}");
    }
}

/// What changes a recipe is an edit of a run that exists.
#[test]
fn settings_of_a_resumed_run_lead_to_edit() {
    let place = Colors::new(10);
    let to = place.path("my run");
    let rate = ["--set", "optimizer.rate=1e-5"];
    run(&[&["train", &place.data, "--recipe", &place.recipe, "--run", &to][..], &rate].concat(), 0);
    for (option, value, expected) in [
        ("--epochs", "3", "stop-after=3`, then `alexnet train --resume"),
        ("--set", "optimizer.rate=1e-6", "lr=1e-6`"),
        ("--set", "augment.color_noise=0.1", "color-noise=0.1`"),
        ("--set", "optimizer.momentum=0.8", "start a new run, or pass `--accept-changes`"),
    ] {
        let (_, err) = run(&["train", "--resume", &to, option, value], 2);
        assert!(err.contains(&format!("`{option} {value}` changes the recipe")), "{err}");
        assert!(err.contains(expected), "{err}");
        assert!(!err.contains("alexnet edit") || err.contains(&format!("alexnet edit '{to}' ")), "{err}");
    }
    run(&["train", "--resume", &to, "--epochs", "2"], 0);
    run(&["edit", &to, "stop-after=3"], 0);
    assert!(run(&["train", "--resume", &to], 0).1.contains("epoch 3"));
}

/// A typo must not silently run another set of kernels.
#[test]
fn unknown_instruction_sets_are_usage_errors() {
    let run = |value: &str| {
        let mut command = Command::new(cargo_bin!("alexnet"));
        command.args(["recipe", "list"]).env("ALEXNET_KERNELS", value).output().unwrap()
    };
    let output = run("sse9");
    assert_eq!(output.status.code(), Some(2));
    let err = text(&output.stderr);
    for part in
        ["ALEXNET_KERNELS", "`sse9` is not a known instruction set", "portable", "unset ALEXNET_KERNELS"]
    {
        assert!(err.contains(part), "{part:?} is missing in: {err}");
    }
    assert!(output.stdout.is_empty());
    for value in ["portable", ""] {
        assert_eq!(run(value).status.code(), Some(0), "ALEXNET_KERNELS={value:?}");
    }
}
