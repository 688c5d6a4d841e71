//! The events of a training run or a learning rate search, on the dashboard or as progress.

use std::io::Write;
use std::ops::ControlFlow;

use alexnet::Result;
use alexnet::data::Skip;
use alexnet::format::grouped;
use alexnet::net::Change;
use alexnet::train::journal::request_edit;
use alexnet::train::observer::{Event, Level, Message, Observer, Phase, PhaseStarted, Started};
use alexnet::train::signals::Interrupt;

use super::super::printable::printable;
use super::dashboard::{Controls, Dashboard, Title};
use super::progress::{Display, Progress};
use super::tracker::Tracker;

/// Most skipped images that are listed.
const SKIPPED_SHOWN: usize = 10;

/// Shows what happens in a training run. Dropping it gives the terminal back.
#[derive(Debug)]
pub(crate) struct TrainingView {
    display: Display,
    progress: Progress,
    dashboard: Option<Open>,
    /// What the dashboard's keys act on.
    interrupt: Interrupt,
}

/// An open dashboard, and the pass that it shows.
#[derive(Debug)]
struct Open {
    dashboard: Dashboard,
    pass: Option<Tracker>,
}

impl TrainingView {
    pub(crate) fn new(display: Display, interrupt: Interrupt) -> Self {
        Self { display, progress: Progress::new(display), dashboard: None, interrupt }
    }

    fn started(&mut self, started: &Started<'_>) {
        match self.display {
            Display::Quiet | Display::Lines | Display::Bar => {}
            Display::Dashboard => {
                // A restarted training has a new one; the terminal has to be free for it.
                self.dashboard = None;
                match self.open(started) {
                    Ok(dashboard) => self.dashboard = Some(Open { dashboard, pass: None }),
                    Err(error) => self.say(&format!("note: no dashboard: {error}")),
                }
            }
        }
    }

    fn open(&self, started: &Started<'_>) -> Result<Dashboard> {
        let title = Title {
            run: started.run.display().to_string(),
            recipe: started.recipe.name.clone(),
            epochs: started.epochs,
            steps: started.epochs * started.epoch_steps,
        };
        let (stop, checkpoint) = (self.interrupt.clone(), self.interrupt.clone());
        let (run, recipe) = (started.run.to_path_buf(), started.recipe.clone());
        let controls = Controls {
            stop: Box::new(move || stop.request()),
            checkpoint: Box::new(move || checkpoint.request_checkpoint()),
            edit: Box::new(move |text| {
                let change = Change::parse(text, &recipe)?;
                let shown = change.to_string();
                request_edit(&run, change, "typed on the dashboard")?;
                Ok(shown)
            }),
        };
        Dashboard::start(title, started.history, controls)
    }

    fn phase_started(&mut self, phase: &PhaseStarted) {
        let (name, unit) = (phase.phase.to_string(), phase.phase.unit());
        let tracker = Tracker::new(name, unit, phase.total as u64, phase.done as u64);
        let tracker = if matches!(phase.phase, Phase::Epoch { .. }) { tracker.of_epoch() } else { tracker };
        match &mut self.dashboard {
            Some(open) => open.pass = Some(tracker),
            None => self.progress.track(tracker),
        }
    }

    fn advance(&mut self, done: usize, loss: Option<f64>) {
        let Some(open) = &mut self.dashboard else { return self.progress.advance(done, loss) };
        let Some(pass) = &mut open.pass else { return };
        pass.advance(done as u64);
        open.dashboard.pass(pass);
    }

    fn say(&self, text: &str) {
        match &self.dashboard {
            Some(open) => open.dashboard.say(text),
            None => self.progress.say(text),
        }
    }

    /// Shows a message; warnings even when nothing else is shown.
    fn message(&self, message: &Message<'_>) {
        match (self.display, message.level) {
            (Display::Quiet, Level::Warning) => {
                let _ = writeln!(std::io::stderr(), "{}", printable(&message.to_string()));
            }
            (Display::Quiet | Display::Lines | Display::Bar | Display::Dashboard, _) => {
                self.say(&message.to_string());
            }
        }
    }

    /// Lists the first skipped images; `log.txt` has all of them.
    fn skipped(&self, skipped: &[Skip]) {
        let (first, more) = skipped.split_at(skipped.len().min(SKIPPED_SHOWN));
        for Skip { file, reason } in first {
            self.say(&format!("  {file}: {reason}"));
        }
        if !more.is_empty() {
            self.say(&format!("  and {} more, listed in log.txt", grouped(more.len())));
        }
    }
}

impl Observer for TrainingView {
    fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Started(started) => self.started(started),
            Event::PhaseStarted(phase) => self.phase_started(phase),
            Event::PhaseAdvanced(advanced) => self.advance(advanced.done, advanced.loss),
            Event::PhaseEnded => self.progress.finish(),
            Event::Metrics(line) => {
                if let Some(open) = &self.dashboard {
                    open.dashboard.line(line);
                }
            }
            Event::Skipped(skipped) => self.skipped(skipped),
            Event::Message(message) => self.message(message),
            // Their messages say the same.
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
