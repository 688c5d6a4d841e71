//! TensorBoard reads the values of `metrics.jsonl`, also when steps were repeated after a resume.

use std::path::Path;
use std::process::Command;

use alexnet::train::metrics::{Line, MetricsFile, Validation};
use alexnet::train::tensorboard::{self, EventFile};

/// A line whose numbers depend on all arguments, with zeros and numbers that are not round in decimal.
fn line(step: usize, epoch: Option<usize>, salt: f32) -> Line {
    let x = step as f32 / 7.0 + salt;
    let health = [("conv1/dead", 0.0), ("conv1/ratio", x * 1e-7), ("fc8/gradient", x.recip())];
    Line {
        step,
        epoch: epoch.unwrap_or(1 + step / 50),
        seconds: f64::from(x),
        loss: x.sin().abs() * 7.0,
        top1: x.cos().abs(),
        lr: 0.01 / x,
        images_per_second: x * 1e3,
        waiting: 0.0,
        validation: epoch.map(|_| Validation { loss: x.sqrt(), top1: 0.1 + salt, top5: 0.7 }),
        health: health.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

/// Writes the lines of the steps after `from` up to `to`: one every ten steps, and an epoch every fifty.
fn train(metrics: &mut MetricsFile, events: &mut EventFile, from: usize, to: usize, salt: f32) {
    for step in (from + 1..=to).filter(|step| step.is_multiple_of(10)) {
        let epoch = step.is_multiple_of(50).then_some(step / 50);
        for line in [Some(line(step, None, salt)), epoch.map(|epoch| line(step, Some(epoch), salt))] {
            let Some(line) = line else { continue };
            metrics.write(&line).unwrap();
            events.write(&line).unwrap();
        }
    }
}

/// Runs `tests/tensorboard/compare.py` on the folder.
fn compare(folder: &Path) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tensorboard/compare.py");
    let output = Command::new("python3").arg(script).arg(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// `ALEXNET_EVENTS=FOLDER` keeps the files for `tensorboard --logdir FOLDER`.
#[test]
fn tensorboard_reads_the_values_of_metrics_jsonl() {
    let there = Command::new("python3").args(["-c", "import tensorboard"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 has no tensorboard (pip install -r tests/tensorboard/requirements.txt)");
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("ALEXNET_EVENTS").map_or(temporary.path().to_path_buf(), Into::into);
    let path = folder.join("metrics.jsonl");
    std::fs::create_dir_all(&folder).unwrap();

    let mut metrics = MetricsFile::create(&path).unwrap();
    let mut events = EventFile::create(&folder, 1).unwrap();
    train(&mut metrics, &mut events, 0, 60, 0.25);
    // A checkpoint is written here.
    let kept = metrics.lines();
    train(&mut metrics, &mut events, 60, 130, 0.25);
    println!("{}", compare(&folder).unwrap());

    // Training resumes from the checkpoint, and its steps have other values.
    let mut metrics = MetricsFile::resume(&path, kept).unwrap();
    let mut events = EventFile::create(&folder, 61).unwrap();
    train(&mut metrics, &mut events, 60, 90, 0.5);
    println!("{}", compare(&folder).unwrap());

    // Again, from the same checkpoint and further than before.
    let mut metrics = MetricsFile::resume(&path, kept).unwrap();
    let mut events = EventFile::create(&folder, 61).unwrap();
    train(&mut metrics, &mut events, 60, 160, 0.75);
    println!("{}", compare(&folder).unwrap());
    assert_eq!(tensorboard::files(&folder).unwrap().len(), 3);

    // The comparison must fail for a line that only one of the two has.
    metrics.write(&line(170, None, 0.75)).unwrap();
    assert!(compare(&folder).unwrap_err().contains("AssertionError"));
    events.write(&line(170, None, 0.75)).unwrap();
    compare(&folder).unwrap();
}
