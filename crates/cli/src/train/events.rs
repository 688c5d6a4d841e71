//! `--json-events`: the events of a training run as JSON Lines.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use crate::output::Output;
use alexnet::train::Report;
use alexnet::train::observer::{Event, Observer};

/// Prints every event as a JSON object on a line of its own.
#[derive(Debug)]
pub(super) struct EventLines<'a> {
    out: &'a mut Output,
}

impl<'a> EventLines<'a> {
    pub(super) fn new(out: &'a mut Output) -> Self {
        Self { out }
    }
}

impl Observer for EventLines<'_> {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        // Training continues if nobody reads its events; the result is printed last and reports a failure.
        let _ = self.out.json(&event.json());
        ControlFlow::Continue(())
    }
}

/// The last line: what `--json` prints.
pub(super) fn result(report: &Report) -> Value {
    let mut value = report.json();
    value["event"] = json!("result");
    value
}
