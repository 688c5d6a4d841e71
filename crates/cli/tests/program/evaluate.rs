//! `alexnet eval`.

use std::path::Path;

use alexnet::data::Image;
use alexnet::model::{Golden, Model};
use alexnet::net::Views;
use serde_json::Value;

use crate::support::{COLORS, images, path, run, run_json, save_model, write_png};

#[test]
fn a_model_is_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "run/best.safetensors", &COLORS);
    let data = images(&folder.path().join("data"), &COLORS, 10);
    std::fs::write(folder.path().join("data/red/broken.png"), b"\x89PNG and no more").unwrap();
    let run_folder = path(&folder.path().join("run"));
    let (value, err) = run_json(&["eval", &run_folder, "--data", &data, "--json"], 0);
    assert_eq!((&value["split"], &value["trained_on_data"]), (&"val".into(), &Value::Null));
    assert_eq!(value["images"].as_u64().unwrap() + value["skipped"].as_array().unwrap().len() as u64, 3);
    assert!(
        err.contains("assuming these, and evaluating the 3 held out") && err.contains("--split all"),
        "{err}"
    );
    let (value, _) = run_json(&["eval", &run_folder, "--data", &data, "--split", "all", "--json"], 0);
    assert_eq!(
        (&value["images"], &value["top1"], &value["top5"], &value["views"], &value["split"]),
        (&30.into(), &1.0.into(), &1.0.into(), &10.into(), &"all".into())
    );
    assert!(value["skipped"][0]["file"].as_str().unwrap().contains("broken.png"), "{value}");
    let (out, _) = run(&["eval", &model, "--data", &data, "--split", "val", "--views", "1"], 0);
    assert!(
        out.contains("top-1") && out.contains("100.00 % (3 of 3 right)") && out.contains("1 (center)"),
        "{out}"
    );
    let (_, err) = run(&["eval", &model, &run_folder, "--data", &data], 2);
    assert!(err.contains("is named twice"), "{err}");
    let other = save_model(folder.path(), "other.safetensors", &COLORS);
    let args = ["eval", &model, &other, "--data", &data, "--split", "all", "--json", "--threads", "1"];
    let (value, _) = run_json(&args, 0);
    assert_eq!((&value["images"], &value["top1"]), (&30.into(), &1.0.into()));
    assert_eq!(value["models"].as_array().unwrap().len(), 2);
}

#[test]
fn models_with_other_views_are_averaged_over_ten_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let ten = save_model(folder.path(), "ten.safetensors", &COLORS);
    let mut model = Model::load(&ten).unwrap();
    model.recipe.evaluation.views = Views::Center;
    let one = folder.path().join("one.safetensors");
    model.save(&one).unwrap();
    let (one, data) = (path(&one), images(&folder.path().join("data"), &COLORS, 10));
    let views = |args: &[&str]| {
        let (value, err) =
            run_json(&[&["eval"], args, &["--data", &data, "--split", "all", "--json"]].concat(), 0);
        let note = "the recipes evaluate 1 or 10 views: averaging over 10; to change it: --views 1";
        (value["views"].as_u64().unwrap(), value["loss"].as_f64().unwrap(), err.contains(note))
    };
    let [first, second] = [[&one[..], &ten], [&ten, &one]].map(|models| views(&models));
    assert_eq!((first.0, first.2, second.0, second.2), (10, true, 10, true));
    assert!((first.1 - second.1).abs() < 1e-9, "{first:?} {second:?}");
    assert_eq!((views(&[&one]).0, views(&[&one]).2), (1, false));
    let fixed = views(&[&ten, &one, "--views", "1"]);
    assert_eq!((fixed.0, fixed.2), (1, false));
}

#[test]
fn a_split_that_does_not_exist_is_not_suggested() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "m.safetensors", &COLORS);
    for split in ["train", "val"] {
        images(&folder.path().join("data").join(split), &COLORS, 2);
    }
    let data = path(&folder.path().join("data"));
    let (_, err) = run(&["eval", &model, "--data", &data, "--split", "all"], 3);
    assert!(
        err.contains("has no split `all`, only train, val") && err.contains("help: --split val"),
        "{err}"
    );
    let other = save_model(folder.path(), "run/best.safetensors", &COLORS);
    let mut changed = Model::load(&other).unwrap();
    changed.summary.epochs = 7;
    changed.save(Path::new(&other)).unwrap();
    let out = path(&folder.path().join("e.safetensors"));
    let (_, err) = run(&["ensemble", &model, &other, &out, "--search-weights", &data], 3);
    assert!(err.contains("expected at least 20") && err.contains("or search on more images"), "{err}");
}

#[test]
fn models_and_images_with_different_classes_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "a.safetensors", &COLORS);
    let other = save_model(folder.path(), "b.safetensors", &["blue", "red", "green"]);
    let data = images(&folder.path().join("data"), &COLORS, 2);
    let (_, err) = run(&["eval", &model, &other, "--data", &data], 4);
    assert!(err.contains("class 1 is \"green\"") && err.contains("b.safetensors"), "{err}");
    let pets = images(&folder.path().join("pets"), &["cat", "dog"], 2);
    let (_, err) = run(&["eval", &model, "--data", &pets], 3);
    assert!(err.contains("cat") && err.contains("help: "), "{err}");
    // A part of the model's classes will do.
    let some = images(&folder.path().join("some"), &["green", "red"], 5);
    assert_eq!(run_json(&["eval", &model, "--data", &some, "--json"], 0).0["top1"], 1.0);
}

/// Red images of which two are green: the model predicts these as green.
fn confused(folder: &Path) -> String {
    let data = images(folder, &COLORS, 5);
    (0..2).for_each(|i| write_png(&folder.join(format!("red/{i:02}.png")), 1, i));
    data
}

#[test]
fn an_evaluation_says_how_sure_it_is_and_what_is_confused() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "model.safetensors", &COLORS);
    let data = confused(&folder.path().join("data"));
    let args = ["eval", &model, "--data", &data, "--split", "all"];
    let (value, _) = run_json(&[&args[..], &["--json"]].concat(), 0);
    assert_eq!((&value["top1_correct"], &value["images"]), (&13.into(), &15.into()));
    // Wilson's interval of 13 of 15, from statsmodels.
    let interval = &value["top1_interval"];
    assert!((interval["low"].as_f64().unwrap() - 0.621_180_2).abs() < 1e-6, "{interval}");
    assert!((interval["high"].as_f64().unwrap() - 0.962_638_8).abs() < 1e-6, "{interval}");
    assert_eq!(value["top5_interval"], Value::Null, "always 1 with three classes");
    assert_eq!(value["confusion"], serde_json::json!([[5, 0, 0], [0, 5, 0], [0, 2, 3]]));
    let pair = serde_json::json!({ "class": "red", "predicted": "green", "images": 2 });
    assert_eq!(value["most_confused"], serde_json::json!([pair]));
    let [green, red] = [1, 2].map(|class| &value["classes"][class]);
    assert_eq!(
        (&green["class"], &green["recall"], &green["predicted"]),
        (&"green".into(), &1.0.into(), &7.into())
    );
    assert!((green["precision"].as_f64().unwrap() - 5.0 / 7.0).abs() < 1e-12, "{green}");
    assert_eq!((&red["recall"], &red["precision"], &red["correct"]), (&0.6.into(), &1.0.into(), &3.into()));
    assert!(red["recall_interval"]["low"].as_f64().unwrap() < 0.6, "{red}");
    let bins = value["calibration"]["bins"].as_array().unwrap();
    assert_eq!(bins.iter().map(|bin| bin["images"].as_u64().unwrap()).sum::<u64>(), 15);
    assert!(value["calibration"]["ece"].as_f64().unwrap() > 0.0);
    assert_eq!((&value["temperature"], &value["against"]), (&Value::Null, &Value::Null));
    let (out, _) = run(&args, 0);
    assert!(out.contains("86.67 % (13 of 15 right), 95 % interval 62.12 to 96.26 %; error 13.33 %"), "{out}");
    assert!(out.contains("2 of 5 images of red predicted as green") && out.contains("ECE "), "{out}");
}

#[test]
fn tables_and_plots_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "model.safetensors", &COLORS);
    let data = confused(&folder.path().join("data"));
    let out = folder.path().join("new/results");
    let args = ["eval", &model, "--data", &data, "--split", "all", "--out", &path(&out)];
    let (text, _) = run(&args, 0);
    assert!(text.contains("confusion.csv"), "{text}");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(read("confusion.csv"), "class,blue,green,red\nblue,5,0,0\ngreen,0,5,0\nred,0,2,3\n");
    let classes = read("per-class.csv");
    assert!(
        classes.starts_with("class,images,correct,recall,recall_low,recall_high,predicted,"),
        "{classes}"
    );
    assert!(classes.lines().nth(3).unwrap().starts_with("red,5,3,0.6,0.23"), "{classes}");
    let predictions = read("predictions.csv");
    assert_eq!(predictions.lines().count(), 16);
    let wrong: Vec<&str> = predictions.lines().filter(|line| line.contains(",false,")).collect();
    assert_eq!(wrong.len(), 2);
    assert!(
        wrong[0].starts_with("red/00.png,red,green,false,0.") && wrong[1].starts_with("red/01.png"),
        "{wrong:?}"
    );
    for plot in ["calibration.svg", "confusion.svg"] {
        assert!(read(plot).starts_with("<svg"), "{plot}");
    }
    let (value, _) = run_json(&[&args[..], &["--json"]].concat(), 0);
    assert_eq!(value["files"].as_array().unwrap().len(), 5);
    // A file in place of the folder.
    let (_, err) = run(&["eval", &model, "--data", &data, "--out", &model], 1);
    assert!(err.contains("cannot create the folder"), "{err}");
}

#[test]
fn two_models_are_compared_on_the_same_images() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "a.safetensors", &COLORS);
    // Its weights are for the colors in another order, so that it confuses green and red.
    let swapped = save_model(folder.path(), "b.safetensors", &["blue", "red", "green"]);
    let data = images(&folder.path().join("data"), &COLORS, 5);
    let out = path(&folder.path().join("out"));
    let args = ["eval", &model, "--against", &swapped, "--data", &data, "--split", "all"];
    let (value, _) = run_json(&[&args[..], &["--json", "--out", &out]].concat(), 0);
    let against = &value["against"];
    let counts = ["both_correct", "only_model_correct", "only_against_correct", "neither_correct"];
    assert_eq!(counts.map(|name| against[name].as_u64().unwrap()), [5, 10, 0, 0]);
    assert_eq!((&value["top1"], &against["top1_correct"]), (&1.0.into(), &5.into()));
    assert!((against["difference"].as_f64().unwrap() - 10.0 / 15.0).abs() < 1e-12);
    assert!(against["difference_interval"]["low"].as_f64().unwrap() > 0.3, "{against}");
    assert!((against["mcnemar"]["exact_p"].as_f64().unwrap() - 2.0 / 1024.0).abs() < 1e-12, "{against}");
    // (10 - 1)^2 / 10.
    assert!((against["mcnemar"]["corrected_statistic"].as_f64().unwrap() - 8.1).abs() < 1e-12, "{against}");
    let predictions = std::fs::read_to_string(folder.path().join("out/predictions.csv")).unwrap();
    let red = predictions.lines().find(|line| line.starts_with("red/00.png")).unwrap();
    assert!(red.starts_with("red/00.png,red,red,true,") && red.contains(",green,false,"), "{red}");
    let (text, _) = run(&args, 0);
    assert!(text.contains("66.67 points") && text.contains("p = 0.002 (exact)"), "{text}");
    assert!(text.contains("compares two models, not two recipes"), "{text}");
}

#[test]
fn a_model_is_compared_with_another_of_the_same_classes() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "a.safetensors", &COLORS);
    let data = images(&folder.path().join("data"), &COLORS, 5);
    let against = |other: &str, code| {
        run(&["eval", &model, "--against", other, "--data", &data, "--split", "all"], code)
    };
    let (_, err) = against(&model, 2);
    assert!(err.contains("compares the model with itself"), "{err}");
    let copy = path(&folder.path().join("copy.safetensors"));
    std::fs::copy(&model, &copy).unwrap();
    let (out, err) = against(&copy, 0);
    assert!(
        err.contains("they are probably the same model") && out.contains("p = 1.000 (exact)"),
        "{err}{out}"
    );
    let other = save_model(folder.path(), "other.safetensors", &["blue", "green", "yellow"]);
    let (_, err) = against(&other, 4);
    assert!(
        err.contains("only in") && err.contains("yellow") && err.contains(": red") && err.contains("help: "),
        "{err}"
    );
}

#[test]
fn a_temperature_is_measured_on_images_that_it_was_not_fitted_on() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "model.safetensors", &COLORS);
    let data = confused(&folder.path().join("data"));
    let args = ["eval", &model, "--data", &data, "--split", "all", "--temperature"];
    let (value, _) = run_json(&[&args[..], &["--json"]].concat(), 0);
    let found = &value["temperature"];
    assert!(found["temperature"].as_f64().unwrap() > 0.0 && found["at_limit"].is_boolean(), "{found}");
    assert_eq!((found["halves"].as_array().unwrap().len(), &found["fitted_on_images"]), (2, &15.into()));
    assert!(
        found["held_out"]["ece"].as_f64().unwrap() >= 0.0 && found["held_out"]["loss"].is_f64(),
        "{found}"
    );
    let (out, _) = run(&args, 0);
    assert!(out.contains("each half with the temperature of the other"), "{out}");
    let one = images(&folder.path().join("one"), &["red"], 1);
    let (_, err) = run(&["eval", &model, "--data", &one, "--split", "all", "--temperature"], 3);
    assert!(err.contains("expected at least two to fit a temperature"), "{err}");
}

#[test]
fn classes_without_images_have_no_recall() {
    let folder = tempfile::tempdir().unwrap();
    let model = save_model(folder.path(), "model.safetensors", &COLORS);
    images(&folder.path().join("data/train"), &COLORS, 2);
    images(&folder.path().join("data/val"), &["blue", "green"], 2);
    let data = path(&folder.path().join("data"));
    let (value, err) = run_json(&["eval", &model, "--data", &data, "--json"], 0);
    assert!(
        err.contains("1 of the model's 3 classes has no images in split val") && err.contains(": red"),
        "{err}"
    );
    let red = &value["classes"][2];
    assert_eq!((&red["images"], &red["recall"], &red["precision"]), (&0.into(), &Value::Null, &Value::Null));
    let (out, _) = run(&["eval", &model, "--data", &data], 0);
    let row = out.lines().find(|line| line.starts_with("red")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["red", "0", "0", "-", "-", "-"]);
    assert!(!out.contains("NaN"), "{out}");
    let green = images(&folder.path().join("green"), &["green"], 3);
    let (value, err) = run_json(&["eval", &model, "--data", &green, "--split", "all", "--json"], 0);
    assert!(err.contains("all 3 images are of class `green`"), "{err}");
    assert_eq!(value["classes"][1]["recall"], 1.0);
}

#[test]
fn classes_in_another_order_are_matched_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let swapped = save_model(folder.path(), "b.safetensors", &["blue", "red", "green"]);
    let data = images(&folder.path().join("data"), &COLORS, 2);
    let (value, err) = run_json(&["eval", &swapped, "--data", &data, "--split", "all", "--json"], 0);
    assert!(
        err.contains("another order") && err.contains("class 1 is `green` here and `red` in the model"),
        "{err}"
    );
    assert_eq!(value["confusion"], serde_json::json!([[2, 0, 0], [0, 0, 2], [0, 2, 0]]));
    let pets = images(&folder.path().join("pets"), &["blue", "dog"], 2);
    let (_, err) = run(&["eval", &swapped, "--data", &pets], 3);
    assert!(err.contains("among the model's 3: dog; the data lacks the model's red, green"), "{err}");
}

#[test]
fn results_are_not_written_among_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 4);
    let model = save_model(folder.path(), "model.safetensors", &COLORS);
    for out in [format!("{data}/results"), format!("{data}/red"), data.clone()] {
        let (_, err) = run(&["eval", &model, "--data", &data, "--out", &out], 2);
        assert!(err.contains("is inside the source") && err.contains("--out results"), "{err}");
    }
    assert!(!Path::new(&data).join("results").exists());
    run(&["eval", &model, "--data", &data, "--out", &path(&folder.path().join("results"))], 0);
}

/// A model whose training has diverged: its weights are finite, its logits are not. NaN is neither a probability nor an accuracy.
#[test]
fn a_model_that_computes_nan_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(&folder.path().join("data"), &COLORS, 4);
    let good = save_model(folder.path(), "good.safetensors", &COLORS);
    let mut model = Model::load(Path::new(&good)).unwrap();
    model.parameters[0].data.iter_mut().for_each(|weight| *weight *= 3e38);
    // Its golden sample is the mean, which has finite logits.
    model.golden = Golden { images: vec![Image::new(8, 8, vec![128; 192])], logits: vec![0.0; 3] };
    let bad = folder.path().join("bad.safetensors");
    model.save(&bad).unwrap();
    let (bad, mixed) = (path(&bad), path(&folder.path().join("mixed.safetensors")));
    let photo = format!("{data}/red/00.png");
    let commands: [(&[&str], i32); 5] = [
        (&["classify", &bad, &photo], 3),
        (&["classify", &bad, &photo, "--json"], 3),
        (&["eval", &bad, "--data", &data], 5),
        (&["eval", &good, "--against", &bad, "--data", &data], 5),
        (&["ensemble", &good, &bad, &mixed], 5),
    ];
    for (command, code) in commands {
        let (out, err) = run(command, code);
        assert!(!out.contains("NaN") && !out.contains("null,"), "{out}");
        assert!(
            out.contains("non-finite probabilities") || err.contains("non-finite probabilities"),
            "{out}{err}"
        );
    }
    assert!(!Path::new(&mixed).exists());
}
