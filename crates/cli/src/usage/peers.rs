//! Option names of other programs, and what to use here instead.

/// Options of other programs with the same meaning, and what replaces them in some commands.
struct Peer {
    /// Without the hyphens in front, words separated by hyphens.
    options: &'static [&'static str],
    /// The commands this holds for; empty: all that have the options it names.
    commands: &'static [&'static str],
    instead: Instead,
}

/// What replaces an option.
enum Instead {
    /// Other arguments; `{}` is the typed value, or the example if none was typed.
    Arguments(&'static str, &'static str),
    /// Nothing: a sentence that says why, or what does it.
    Sentence(&'static str),
}

use super::arguments;
use super::named::Named;
use Instead::{Arguments, Sentence};

impl Peer {
    /// Whether this holds for a command.
    fn is_for(&self, command: &Named<'_>) -> bool {
        let (Arguments(text, _) | Sentence(text)) = self.instead;
        match self.commands {
            [] => options_in(text).all(|option| command.has_option(option)),
            commands => commands.contains(&command.path.as_str()),
        }
    }
}

/// The options that a text names, without hyphens in front.
fn options_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(['`', ' ']).filter_map(|word| word.strip_prefix("--"))
}

const TRAINING: &[&str] = &["train"];
const EPOCHS: &[&str] = &["epochs", "num-epochs", "n-epochs", "max-epochs"];
const BATCH: &[&str] =
    &["batch-size", "bs", "batch", "batchsize", "train-batch-size", "per-device-train-batch-size"];
const LEARNING_RATE: &[&str] = &["lr", "learning-rate", "rate", "base-lr", "lr0"];
const DATA: &[&str] =
    &["data", "data-dir", "data-path", "dataset", "dataset-dir", "train-dir", "src", "source", "input"];
const DEVICE: &[&str] = &["device", "cuda", "gpu", "gpus", "use-cuda", "no-cuda"];
const MODEL: &[&str] = &["model", "weights", "checkpoint", "ckpt", "model-path", "resume"];
const OUTPUT: &[&str] =
    &["output", "output-dir", "out", "out-dir", "save-dir", "logdir", "log-dir", "work-dir", "name"];

const VALIDATION: &[&str] = &[
    "val-split",
    "validation-split",
    "val-size",
    "test-size",
    "test-split",
    "val-fraction",
    "validation-fraction",
    "val-ratio",
    "val-percent",
    "valid-pct",
    "val-dir",
    "val",
];

const PEERS: &[Peer] = &[
    Peer {
        options: LEARNING_RATE,
        commands: &["train", "recipe show", "recipe diff"],
        instead: Arguments("--set optimizer.rate={}", "0.01"),
    },
    Peer { options: LEARNING_RATE, commands: &["edit"], instead: Arguments("lr={}", "0.001") },
    Peer {
        options: &["lr", "learning-rate", "min-lr", "start-lr", "start"],
        commands: &["lr-find"],
        instead: Arguments("--from {}", "1e-6"),
    },
    Peer {
        options: &["max-lr", "end-lr", "end"],
        commands: &["lr-find"],
        instead: Arguments("--to {}", "1"),
    },
    Peer {
        options: BATCH,
        commands: &["train", "lr-find", "recipe show", "recipe diff"],
        instead: Arguments("--set optimizer.batch={}", "64"),
    },
    Peer { options: BATCH, commands: &["eval", "bench"], instead: Arguments("--batch {}", "64") },
    Peer {
        options: BATCH,
        commands: &["demo", "classify"],
        instead: Sentence("the batch size is fixed in this command"),
    },
    Peer { options: BATCH, commands: &["data bench"], instead: Sentence("the recipe sets the batch size") },
    Peer {
        options: DATA,
        commands: &["train", "lr-find", "data check", "data pack", "data bench"],
        instead: Arguments("{}", "SRC"),
    },
    Peer { options: DATA, commands: &["eval"], instead: Arguments("--data {}", "SRC") },
    Peer { options: DATA, commands: &["classify"], instead: Arguments("{}", "IMAGE") },
    Peer {
        options: DATA,
        commands: &["demo"],
        instead: Sentence("the demo uses built-in images; for your own: `alexnet train SRC --recipe small`"),
    },
    Peer { options: EPOCHS, commands: TRAINING, instead: Arguments("--epochs {}", "10") },
    Peer {
        options: EPOCHS,
        commands: &["lr-find"],
        instead: Sentence("the length is set in steps: `--steps 100`"),
    },
    Peer { options: EPOCHS, commands: &["edit"], instead: Arguments("stop-after={}", "30") },
    Peer {
        options: EPOCHS,
        commands: &["recipe show", "recipe diff"],
        instead: Arguments("--set schedule.epochs={}", "30"),
    },
    Peer {
        options: EPOCHS,
        commands: &["demo"],
        instead: Sentence(
            "the demo's length is fixed; for your own images: `alexnet train SRC --recipe small --epochs 10`",
        ),
    },
    Peer {
        options: &["max-steps", "iterations", "max-iter", "num-steps"],
        commands: TRAINING,
        instead: Arguments("--steps {}", "1000"),
    },
    Peer {
        options: &["num-workers", "dataloader-num-workers", "loader-threads", "j"],
        commands: &["train", "data bench"],
        instead: Arguments("--workers {}", "4"),
    },
    Peer {
        options: &["num-workers", "workers", "jobs", "num-threads", "n-jobs", "cpus"],
        commands: &[],
        instead: Arguments("--threads {}", "4"),
    },
    Peer {
        options: DEVICE,
        commands: &[],
        instead: Sentence(
            "there is nothing to choose: everything runs on the CPU, on all cores or `--threads N`",
        ),
    },
    Peer {
        options: DEVICE,
        commands: &[],
        instead: Sentence("there is nothing to choose: everything runs on the CPU"),
    },
    Peer {
        options: &["int8", "quantize", "quantized"],
        commands: &["eval", "classify", "bench"],
        instead: Sentence("`alexnet quantize MODEL --calibrate SRC OUT` writes a model in 8-bit integers"),
    },
    Peer {
        options: &["amp", "bf16", "dtype", "mixed-precision"],
        commands: &["train", "eval", "classify", "bench"],
        instead: Sentence("`--precision bf16` multiplies bfloat16 values"),
    },
    Peer {
        options: &["fp16"],
        commands: &["train"],
        instead: Sentence("`--precision bf16` multiplies bfloat16 values"),
    },
    Peer {
        options: &["fp16"],
        commands: &["eval", "classify", "bench"],
        instead: Sentence("`--half` keeps fully connected weights in half precision"),
    },
    Peer {
        options: &[
            "nproc",
            "nproc-per-node",
            "num-processes",
            "num-nodes",
            "nnodes",
            "np",
            "world-size",
            "ranks",
        ],
        commands: &["train", "eval"],
        instead: Sentence(
            "a launcher starts several processes: `mpirun -n 2 alexnet ...`; see docs/clusters.md",
        ),
    },
    Peer {
        options: &["strategy", "distributed", "ddp", "data-parallel", "model-parallel", "tensor-parallel"],
        commands: TRAINING,
        instead: Sentence("use `--parallel data`, `--parallel columns`, or `--parallel hybrid`"),
    },
    Peer {
        options: &["pretrained", "weights", "finetune", "model-path", "init-weights", "transfer"],
        commands: TRAINING,
        instead: Arguments("--init {}", "MODEL"),
    },
    Peer {
        options: &[
            "checkpoint",
            "ckpt",
            "resume-from",
            "resume-from-checkpoint",
            "load",
            "continue",
            "auto-resume",
        ],
        commands: TRAINING,
        instead: Arguments("--resume {}", "RUN"),
    },
    Peer {
        options: &["model", "arch", "network", "config", "cfg", "solver"],
        commands: &["train", "lr-find", "bench", "data bench"],
        instead: Arguments("--recipe {}", "small"),
    },
    Peer { options: MODEL, commands: &["eval", "classify"], instead: Arguments("{}", "MODEL") },
    Peer { options: OUTPUT, commands: &["train", "demo"], instead: Arguments("--run {}", "runs/pets") },
    Peer { options: OUTPUT, commands: &["data pack", "data fix"], instead: Arguments("{}", "OUT") },
    Peer { options: OUTPUT, commands: &["lr-find"], instead: Arguments("--plot {}", "rates.svg") },
    Peer { options: OUTPUT, commands: &["eval"], instead: Arguments("--out {}", "results") },
    Peer { options: OUTPUT, commands: &["data check"], instead: Arguments("--plan {}", "plan.json") },
    Peer {
        options: OUTPUT,
        commands: &["classify", "bench", "recipe show", "recipe diff", "recipe from-journal"],
        instead: Sentence("results go to standard output: redirect it with `> FILE`"),
    },
    Peer {
        options: &["momentum"],
        commands: TRAINING,
        instead: Arguments("--set optimizer.momentum={}", "0.9"),
    },
    Peer {
        options: &["weight-decay", "wd", "decay", "l2"],
        commands: TRAINING,
        instead: Arguments("--set optimizer.decay={}", "0.0005"),
    },
    Peer {
        options: &["optimizer", "opt", "optim"],
        commands: TRAINING,
        instead: Sentence(
            "the optimizer is SGD with momentum, or LARS with `--set optimizer.algorithm=lars`; `--set optimizer.KEY=VALUE` \
             sets its rate, momentum, decay, batch",
        ),
    },
    Peer {
        options: &["warmup-epochs", "lr-warmup-epochs", "warmup", "warm-up"],
        commands: TRAINING,
        instead: Arguments("--set schedule.warm_up_epochs={}", "5"),
    },
    Peer {
        options: &["num-classes", "n-classes", "classes", "nb-classes"],
        commands: &["train", "lr-find", "eval", "classify"],
        instead: Sentence("the number of classes comes from the images or the model"),
    },
    Peer {
        options: VALIDATION,
        commands: TRAINING,
        instead: Sentence(
            "one in ten images of each class are held out for validation; to choose them, make the folders `train/` and `val/`, \
             both with a folder per class",
        ),
    },
    Peer {
        options: &["topk", "top-k", "k", "top5"],
        commands: &["classify"],
        instead: Arguments("--top {}", "5"),
    },
    Peer {
        options: &["topk", "top-k", "top5", "top1"],
        commands: &["eval"],
        instead: Sentence("top-1 and top-5 are always printed"),
    },
    Peer {
        options: &["ten-crop", "tencrop", "tta", "crops"],
        commands: &["eval", "classify"],
        instead: Arguments("--views 10", ""),
    },
    Peer {
        options: &["save-every", "save-steps", "checkpoint-every", "save-interval"],
        commands: TRAINING,
        instead: Arguments("--checkpoint-steps {}", "1000"),
    },
    Peer {
        options: &["tensorboard", "report-to", "wandb"],
        commands: TRAINING,
        instead: Sentence("the run folder always holds TensorBoard events: `tensorboard --logdir RUN`"),
    },
    Peer { options: &["dry-run", "estimate"], commands: TRAINING, instead: Arguments("--forecast", "") },
    Peer {
        options: &["accumulate", "gradient-accumulation-steps", "grad-accum", "accum-iter"],
        commands: TRAINING,
        instead: Arguments("--micro-batch 36", ""),
    },
    Peer {
        options: &["random-seed", "manual-seed"],
        commands: &["train", "lr-find"],
        instead: Arguments("--seed {}", "1"),
    },
    Peer {
        options: &["overwrite", "force"],
        commands: TRAINING,
        instead: Arguments("--run DIR --exist-ok", ""),
    },
    Peer {
        options: &["verbose", "debug", "log-level", "loglevel"],
        commands: &[],
        instead: Sentence("set the environment variable `ALEXNET_LOG=debug`"),
    },
    Peer {
        options: &["silent", "no-progress", "disable-tqdm"],
        commands: &[],
        instead: Arguments("--quiet", ""),
    },
    Peer { options: &["format", "output-format"], commands: &[], instead: Arguments("--json", "") },
];

/// Commands of other programs.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["predict", "infer", "inference", "detect"], "use `alexnet classify MODEL IMAGE...`"),
    (&["test", "validate", "val", "evaluate", "score"], "use `alexnet eval MODEL --data SRC`"),
    (&["resume", "continue"], "use `alexnet train --resume RUN`"),
    (&["fit", "finetune", "fine-tune"], "use `alexnet train SRC --recipe NAME`"),
    (&["benchmark", "speed", "profile"], "use `alexnet bench`"),
    (&["models", "list", "recipes", "config"], "use `alexnet recipe list`"),
    (&["check", "fix", "pack", "prepare"], "use `alexnet data check SRC`, `fix`, or `pack`"),
    (
        &["convert", "load", "from-torch", "from-pytorch"],
        "use `alexnet import FILE OUT`, or `alexnet export MODEL OUT`",
    ),
    (&["version"], "use `alexnet --version`"),
];

/// What to use instead of an unknown option in `command`; `typed` is the option as it stands in `args`.
pub(super) fn advice(option: &str, typed: &str, command: &Named<'_>, args: &[String]) -> Option<String> {
    let fits = |peer: &&Peer| peer.options.contains(&option) && peer.is_for(command);
    PEERS.iter().find(fits).map(|peer| match peer.instead {
        Arguments("{}", example) => {
            format!("give it without the option: `{}`", arguments::without_option(typed, args, example))
        }
        Arguments(template, example) => {
            let value = arguments::value_of(typed, args);
            let value = value.map_or_else(|| example.to_owned(), |value| alexnet::error::shell_word(&value));
            format!("use `{}`", template.replace("{}", &value))
        }
        Sentence(text) => text.to_owned(),
    })
}

/// What to use instead of an unknown one-letter option.
pub(super) fn short(option: &str, command: &Named<'_>, args: &[String]) -> Option<String> {
    let long = match option {
        "-b" => "batch-size",
        "-e" => "epochs",
        "-j" => "num-workers",
        "-o" => "output",
        "-v" => "verbose",
        "-k" => "topk",
        "-d" => "data",
        "-m" => "model",
        _ => return None,
    };
    advice(long, option, command, args)
}

/// What to use instead of an unknown command of the program itself.
pub(super) fn command(name: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(names, _)| names.contains(&name)).map(|(_, instead)| *instead)
}

/// What to give for a missing argument.
pub(super) fn when_missing(argument: &str) -> Option<&'static str> {
    match argument {
        "--recipe NAME|FILE" => {
            Some("`--recipe small` is a quick start; `alexnet recipe list` lists all recipes")
        }
        _ => None,
    }
}

/// Why an option cannot be combined with another, and what to use instead.
pub(super) fn in_conflict(option: &str, other: &str, command: &str) -> Option<&'static str> {
    let is_resumed = matches!(other, "--resume" | "--resume-or-start");
    match (command, option) {
        ("train", "--seed") if is_resumed => Some("a resumed run keeps its seed"),
        ("train", "--init") if is_resumed => Some("a resumed run continues from its own weights"),
        ("train", "--freeze") if is_resumed => Some("use `alexnet edit RUN freeze=LAYER`, then resume"),
        ("train", "--run" | "--exist-ok") if is_resumed => Some("the run folder is that of the resumed run"),
        ("train", "--forecast") if is_resumed => Some("the estimate of a run is in its log.txt"),
        ("train", "--forecast") if other == "--exist-ok" => {
            Some("a forecast deletes its run folder: leave `--exist-ok` out")
        }
        ("train", "--tui") if other == "--quiet" => {
            Some("the dashboard shows progress, `--quiet` hides it: keep one of the two")
        }
        ("train", "--json-events") if other == "--tui" => {
            Some("both show the progress of the training: keep one of the two")
        }
        ("plan-cluster", "--measure-link") => {
            Some("it measures a link and plans nothing: leave the other options out")
        }
        ("plan-cluster", "--threads") if other == "--layers" => {
            Some("the layers were measured with threads of their own: leave `--threads` out")
        }
        ("data fix", "--in-place") => {
            Some("give OUT to leave the originals alone, or `--in-place` to change them")
        }
        ("recipe show", "--toml") if other == "--json" => {
            Some("`--toml` prints the recipe file, `--json` its layers: keep one of the two")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::args::Cli;
    use super::*;
    use clap::{Command, CommandFactory};

    fn program() -> Command {
        let mut root = Cli::command();
        root.build();
        root
    }

    /// Looks a command up by its path, such as `data check`.
    fn find<'a>(root: &'a Command, path: &str) -> &'a Command {
        path.split(' ').fold(root, |command, name| {
            command.find_subcommand(name).unwrap_or_else(|| panic!("no command `{path}`"))
        })
    }

    /// A command and those in it, with the names that lead to them.
    fn with_inner<'a>(path: &str, command: &'a Command) -> Vec<Named<'a>> {
        let mut found = vec![Named { path: path.to_owned(), command }];
        for inner in command.get_subcommands() {
            found.extend(with_inner(format!("{path} {}", inner.get_name()).trim_start(), inner));
        }
        found
    }

    #[test]
    fn advice_names_options_that_the_command_has() {
        let root = program();
        for path in PEERS.iter().flat_map(|peer| peer.commands) {
            find(&root, path);
        }
        let options: BTreeSet<&str> = PEERS.iter().flat_map(|peer| peer.options).copied().collect();
        for command in with_inner("", &root) {
            for option in &options {
                let typed = format!("--{option}");
                let Some(text) = advice(option, &typed, &command, &[]) else { continue };
                // A whole command in a sentence is another command's.
                if text.contains("`alexnet ") || text.contains("`tensorboard ") {
                    continue;
                }
                for named in options_in(&text) {
                    assert!(command.has_option(named), "`{}`, `{typed}`: {text}", command.path);
                }
            }
        }
    }

    #[test]
    fn settings_in_advice_exist() {
        for peer in PEERS {
            let Arguments(text, example) = peer.instead else { continue };
            let Some(setting) = text.strip_prefix("--set ") else { continue };
            let setting = setting.replace("{}", example);
            let (key, value) = setting.split_once('=').unwrap();
            let mut recipe = alexnet::net::Recipe::load("paper").unwrap();
            recipe.set_all([(key, value)]).unwrap();
        }
    }

    #[test]
    fn a_typed_value_is_quoted_for_a_shell() {
        let root = program();
        let advice = |option: &str, words: &[&str]| {
            let args: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            advice(option, &format!("--{option}"), &Named::find(&root, &args), &args)
        };
        assert_eq!(
            advice("data", &["train", "--data", "my pets", "--recipe", "small"]).unwrap(),
            "give it without the option: `alexnet train 'my pets' --recipe small`"
        );
        assert_eq!(
            advice("data", &["train", "--data"]).unwrap(),
            "give it without the option: `alexnet train SRC`"
        );
        assert_eq!(advice("lr", &["train", "pets", "--lr=0.5"]).unwrap(), "use `--set optimizer.rate=0.5`");
        assert_eq!(advice("lr", &["bench"]), None);
    }
}
