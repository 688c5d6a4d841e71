//! Events as JSON: what `alexnet train --json-events` prints, and what callbacks receive in Python.

use serde::Serialize;
use serde_json::{Value, json};

use super::observer::{Event, Level, Phase};

impl Event<'_> {
    /// The event as a JSON object; its field `event` is the kind, such as `step`.
    pub fn json(&self) -> Value {
        match self {
            Event::Started(started) => json!({
                "event": "started",
                "run": started.run.display().to_string(),
                "recipe": started.recipe.name,
                "epochs": started.epochs,
                "epoch_steps": started.epoch_steps,
                "resumed_at": started.resumed_at,
            }),
            Event::PhaseStarted(start) => {
                let epoch = match start.phase {
                    Phase::Epoch { epoch, .. } => Some(epoch),
                    Phase::Statistics | Phase::Validation | Phase::LearningRates => None,
                };
                json!({
                    "event": "phase_started",
                    "phase": start.phase.to_string(),
                    "epoch": epoch,
                    "total": start.total,
                    "done": start.done,
                    "unit": start.phase.unit(),
                })
            }
            Event::PhaseAdvanced(advance) => json!({ "event": "phase_advanced", "done": advance.done }),
            Event::PhaseEnded => json!({ "event": "phase_ended" }),
            Event::Step(step) => json!({
                "event": "step",
                "step": step.step,
                "epoch": step.epoch,
                "images": step.images,
                "loss": step.loss,
                "correct": step.correct,
                "lr": shortest(&step.lr),
            }),
            Event::Metrics(line) => tagged("metrics", line),
            Event::Validated(validated) => {
                let found = validated.evaluation;
                json!({
                    "event": "validated",
                    "epoch": validated.epoch,
                    "step": validated.step,
                    "images": found.images,
                    "top1": found.top1_share(),
                    "top5": found.top5_share(),
                    "loss": found.loss,
                })
            }
            Event::Checkpoint(checkpoint) => json!({ "event": "checkpoint", "step": checkpoint.step }),
            Event::Edited(entry) => tagged("edited", entry),
            Event::RolledBack(back) => {
                json!({ "event": "rolled_back", "from": back.from, "to": back.to, "lr": shortest(&back.lr) })
            }
            Event::Advice(advice) => tagged("advice", advice),
            Event::Skipped(skipped) => json!({ "event": "skipped", "images": skipped }),
            Event::Message(message) => {
                let level = match message.level {
                    Level::Info => "info",
                    Level::Note => "note",
                    Level::Warning => "warning",
                };
                json!({ "event": "message", "level": level, "text": message.text })
            }
            Event::Ended(ended) => {
                json!({ "event": "ended", "reason": ended.reason.name(), "steps": ended.steps })
            }
        }
    }
}

/// A value as JSON by way of its text, which has the shortest decimals of single-precision numbers: 0.1, not
/// 0.10000000149.
fn shortest(value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value).expect("numbers and strings are JSON");
    serde_json::from_str(&text).expect("what was just written is JSON")
}

/// A value that is an object in JSON, with the event's name.
fn tagged(event: &str, value: &impl Serialize) -> Value {
    let mut value = shortest(value);
    value["event"] = json!(event);
    value
}
