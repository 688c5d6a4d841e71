//! `events.out.tfevents.*`: what a training measured, for TensorBoard.
//!
//! Each value has the name that it has in `metrics.jsonl`. A line of an epoch stands at the step of the last of its steps,
//! where TensorBoard keeps one value of a name: there `train/loss` becomes `epoch/loss`, `lr` becomes `epoch/lr` and so
//! on, and `val/loss`, `val/top1` and `val/top5` stay as they are.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

use super::metrics::Line;
use crate::files::append::Append;
use crate::{Error, Result};

/// What the names of event files begin with.
pub const PREFIX: &str = "events.out.tfevents.";

/// The format's version: with it TensorBoard goes by [`Start`] and not by the order of steps.
const VERSION: &str = "brain.Event:2";

/// Writes an event file. Each run, and each one that goes on after a stop, has a file of its own.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: Append,
    clock: Clock,
}

impl Events {
    /// Starts a file in `folder`. `first_step` is that of the first update that is to come, counted from 1: when
    /// TensorBoard has read other files of the folder, it forgets what they hold from this step on, because those steps
    /// are made again.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(folder: &Path, first_step: usize) -> Result<Self> {
        Self::create_at(folder, first_step, Clock::now())
    }

    fn create_at(folder: &Path, first_step: usize, clock: Clock) -> Result<Self> {
        let (path, file) = create(folder, clock.started as u64)?;
        let mut events = Self { path, file: Append::new(file), clock };
        let time = events.clock.time();
        let version = Event { time, step: 0, version: Some(VERSION.to_owned()), ..Event::default() };
        let start =
            Event { time, step: first_step as i64, start: Some(Start { status: 1 }), ..Event::default() };
        // On a full disk both are kept, and the first line tells if it still is.
        let _ = events.file.add(&[record(&version), record(&start)].concat());
        Ok(events)
    }

    /// Adds all numbers of a line.
    ///
    /// # Errors
    /// When they cannot be written: a full disk. They are then kept, and written before the next.
    pub fn write(&mut self, line: &Line) -> Result<()> {
        let value = |(name, value)| Value { tag: tag(line, name).into_owned(), value: Some(value) };
        let summary = Summary { values: line.scalars().into_iter().map(value).collect() };
        let time = self.clock.time();
        let event = Event { time, step: line.step as i64, summary: Some(summary), ..Event::default() };
        self.file.add(&record(&event)).map_err(|e| Error::io(&self.path, "write an event", &e))
    }

    /// Writes what was kept.
    ///
    /// # Errors
    /// When it still cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.add(&[]).map_err(|e| Error::io(&self.path, "write an event", &e))
    }
}

/// The event files in `folder`, in the order in which TensorBoard reads them.
///
/// # Errors
/// When the folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| name(path).starts_with(PREFIX));
        paths.sort();
        Ok(paths)
    };
    list().map_err(|e| Error::io(folder, "list the event files", &e))
}

/// What a line's number is called in TensorBoard.
fn tag<'a>(line: &Line, name: &'a str) -> Cow<'a, str> {
    match line.validation {
        Some(_) if !name.starts_with("val/") => {
            Cow::Owned(format!("epoch/{}", name.strip_prefix("train/").unwrap_or(name)))
        }
        _ => Cow::Borrowed(name),
    }
}

/// A new file whose name stands behind those that are there, even when the clock has been put back: TensorBoard reads
/// files in the order of their names, and each takes back steps of those before it.
fn create(folder: &Path, now: u64) -> Result<(PathBuf, File)> {
    let seconds = |path: &PathBuf| name(path)[PREFIX.len()..].split('.').next()?.parse::<u64>().ok();
    let newest = files(folder)?.iter().filter_map(seconds).max();
    let seconds = newest.map_or(now, |newest| now.max(newest.saturating_add(1)));
    let (host, process) = (host(), std::process::id());
    for n in 0_u64.. {
        let path = folder.join(format!("{PREFIX}{seconds:010}.{host}.{process}.{n}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(&path, "create the file", &error)),
        }
    }
    unreachable!("there are more numbers than files")
}

fn name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// The machine's name, as far as it can be in that of a file. It only tells files apart that several machines write.
fn host() -> String {
    let known = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let known =
        known.or_else(|| ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok()));
    let host: String = known.unwrap_or_default().trim().chars().take(64).collect();
    let host = host.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "-");
    if host.is_empty() { "localhost".to_owned() } else { host }
}

/// The time of day at the start, and from there on a clock that never goes back.
#[derive(Debug)]
struct Clock {
    /// Seconds since 1970.
    started: f64,
    since: Instant,
}

impl Clock {
    fn now() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: started.as_secs_f64(), since: Instant::now() }
    }

    fn time(&self) -> f64 {
        self.started + self.since.elapsed().as_secs_f64()
    }
}

/// The fields of TensorFlow's `event.proto` that are used, numbered as there.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    start: Option<Start>,
}

/// `SessionLog` with `status` 1, START: TensorBoard drops what files before this one hold from the event's step on.
#[derive(Clone, PartialEq, Message)]
struct Start {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

/// `Summary.Value` with its `simple_value`, which TensorBoard takes for a scalar. It is optional so that 0 is written too.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    value: Option<f32>,
}

/// A message in a TFRecord: its length, the length's checksum, the message, its checksum.
fn record(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), &bytes, &masked(&bytes).to_le_bytes()].concat()
}

/// CRC32C, turned and moved so that the checksum of data that hold checksums is no trivial one.
fn masked(bytes: &[u8]) -> u32 {
    const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    CASTAGNOLI.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::metrics::Validation;

    fn line(step: usize) -> Line {
        Line {
            step,
            epoch: 1,
            seconds: 1.5,
            loss: 2.25,
            top1: 0.25,
            lr: 0.01,
            images_per_second: 1000.0,
            waiting: 0.0,
            validation: None,
            health: [("conv1/dead".to_owned(), 0.5)].into(),
        }
    }

    /// The events of a file whose checksums are right.
    fn read(path: &Path) -> Vec<Event> {
        let bytes = std::fs::read(path).unwrap();
        let (mut events, mut rest) = (Vec::new(), &bytes[..]);
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let event = Event::decode(&rest[12..12 + length]).unwrap();
            assert_eq!(record(&event), rest[..length + 16]);
            events.push(event);
            rest = &rest[length + 16..];
        }
        events
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// By the writer of TensorBoard 2.21.0: `tensorboard.summary.writer.record_writer.RecordWriter`.
    #[test]
    fn records_are_those_of_tensorboards_own_writer() {
        let event = Event { time: 1000.5, ..Event::default() };
        let version = Event { version: Some(VERSION.to_owned()), ..event.clone() };
        let start = Event { step: 21, start: Some(Start { status: 1 }), ..event.clone() };
        let values = [("train/loss", 2.25), ("waiting", 0.0)];
        let values = values.map(|(tag, value)| Value { tag: tag.to_owned(), value: Some(value) }).to_vec();
        let summary = Event { step: 40, summary: Some(Summary { values }), ..event };
        for (event, golden) in [
            (version, "1800000000000000a37f4b22090000000000448f401a0d627261696e2e4576656e743a32aba33345"),
            (start, "0f000000000000006d532b09090000000000448f4010153a020801fc684730"),
            (
                summary,
                "300000000000000095f5d05f090000000000448f4010282a230a110a0a747261696e2f6c6f737315000010400a0e0a\
                 0777616974696e671500000000b6981b53",
            ),
        ] {
            assert_eq!(hex(&record(&event)), golden);
        }
    }

    #[test]
    fn the_checksum_is_castagnolis_and_masked() {
        // CRC32C of these digits is 0xe3069283, the check value of every catalog.
        assert_eq!(masked(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
        assert_eq!(masked(b"123456789"), 0xc78a_b0e5);
    }

    #[test]
    fn a_file_begins_with_its_version_and_the_first_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::create(folder.path(), 21).unwrap();
        let mut epoch = line(40);
        epoch.validation = Some(Validation { loss: 0.5, top1: 0.75, top5: 1.0 });
        events.write(&line(40)).unwrap();
        events.write(&epoch).unwrap();
        let found = read(&files(folder.path()).unwrap()[0]);
        assert_eq!(found.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 21, 40, 40]);
        assert_eq!(found[0].version.as_deref(), Some(VERSION));
        assert_eq!(found[1].start, Some(Start { status: 1 }));
        let values = |event: &Event| -> Vec<(String, f32)> {
            let values = event.summary.clone().unwrap().values.into_iter();
            values.map(|value| (value.tag, value.value.unwrap())).collect()
        };
        let steps = values(&found[2]);
        assert!(steps.iter().map(|(tag, value)| (tag.as_str(), *value)).eq(line(40).scalars()), "{steps:?}");
        let epoch = values(&found[3]);
        let tags: Vec<&str> = epoch.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(
            tags,
            [
                "epoch/loss",
                "epoch/top1",
                "epoch/lr",
                "epoch/images_per_second",
                "epoch/waiting",
                "val/loss",
                "val/top1",
                "val/top5",
                "epoch/conv1/dead"
            ]
        );
    }

    #[test]
    fn each_start_has_a_file_behind_the_others_whatever_the_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        let mut made = Vec::new();
        for started in [2e9, 2e9, 1e9, 0.0, 3e9] {
            let clock = Clock { started, since: Instant::now() };
            made.push(Events::create_at(folder.path(), 1, clock).unwrap().path);
        }
        assert_eq!(files(folder.path()).unwrap(), made);
        let numbers: Vec<String> =
            made.iter().map(|path| name(path)[PREFIX.len()..][..10].to_owned()).collect();
        assert_eq!(numbers, ["2000000000", "2000000001", "2000000002", "2000000003", "3000000000"]);
    }

    #[test]
    fn times_go_on_from_the_start_and_never_back() {
        let folder = tempfile::tempdir().unwrap();
        // The time of day is asked for once: it may say what it likes afterwards.
        let clock = Clock { started: 1e9, since: Instant::now() };
        let mut events = Events::create_at(folder.path(), 1, clock).unwrap();
        for step in 1..50 {
            events.write(&line(step)).unwrap();
        }
        let times: Vec<f64> = read(&events.path).iter().map(|event| event.time).collect();
        assert!(times.is_sorted() && times[0] >= 1e9 && times[50] < 1e9 + 3600.0, "{times:?}");
        assert!(times[50] > times[0]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Events::create(Path::new("/nowhere/at/all"), 1).unwrap_err();
        assert!(error.message.contains("/nowhere/at/all"), "{error}");
    }
}
