//! What the dashboard shows, and what a key means.

use std::collections::{BTreeMap, VecDeque};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use alexnet::train::metrics::{Line, Validation};

use super::controls::Title;
use crate::ui::tracker::Tracker;

/// Most messages that are kept.
const MESSAGES: usize = 200;

/// What a key requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Stop after saving everything.
    Stop,
    /// Stop at once.
    Abort,
    Checkpoint,
    /// The edit that was typed.
    Edit(String),
}

/// Progress of the current pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pass {
    pub(super) name: String,
    pub(super) unit: &'static str,
    pub(super) done: u64,
    pub(super) total: u64,
    /// Per second; `None` until it can be estimated.
    pub(super) throughput: Option<f64>,
}

/// Steps and values of each curve.
#[derive(Clone, Debug, Default)]
pub(super) struct Curves {
    pub(super) loss: Vec<(f64, f64)>,
    pub(super) top1: Vec<(f64, f64)>,
    pub(super) val_loss: Vec<(f64, f64)>,
    pub(super) val_top1: Vec<(f64, f64)>,
}

/// Everything that is shown.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) title: Title,
    pub(super) colors: bool,
    pub(super) curves: Curves,
    pub(super) last: Option<Line>,
    pub(super) validation: Option<Validation>,
    /// From the last line that had any: lines of epochs may have none.
    pub(super) health: BTreeMap<String, f32>,
    pub(super) pass: Option<Pass>,
    pub(super) input: Option<String>,
    pub(super) stopping: bool,
    messages: VecDeque<String>,
    /// Where this process started.
    start: Start,
}

/// The step and the seconds of training at which this process started.
#[derive(Clone, Copy, Debug, Default)]
struct Start {
    step: usize,
    seconds: f64,
}

impl State {
    pub(super) fn new(title: Title, history: &[Line], colors: bool) -> Self {
        let mut state = Self {
            title,
            colors,
            curves: Curves::default(),
            last: None,
            validation: None,
            health: BTreeMap::new(),
            pass: None,
            input: None,
            stopping: false,
            messages: VecDeque::new(),
            start: history
                .last()
                .map_or_else(Start::default, |line| Start { step: line.step, seconds: line.seconds }),
        };
        history.iter().for_each(|line| state.line(line));
        state
    }

    pub(super) fn line(&mut self, line: &Line) {
        let step = line.step as f64;
        let add = |curve: &mut Vec<(f64, f64)>, value: f32| {
            // Steps that are repeated replace their earlier values.
            curve.truncate(curve.partition_point(|point| point.0 < step));
            curve.push((step, f64::from(value)));
        };
        match line.validation {
            Some(found) => {
                add(&mut self.curves.val_loss, found.loss);
                add(&mut self.curves.val_top1, 100.0 * found.top1);
                self.validation = Some(found);
            }
            None => {
                add(&mut self.curves.loss, line.loss);
                add(&mut self.curves.top1, 100.0 * line.top1);
            }
        }
        if !line.health.is_empty() {
            self.health.clone_from(&line.health);
        }
        self.last = Some(line.clone());
    }

    pub(super) fn pass(&mut self, pass: &Tracker) {
        self.pass = Some(Pass {
            name: pass.name.clone(),
            unit: pass.unit,
            done: pass.done,
            total: pass.total,
            throughput: pass.throughput(),
        });
    }

    pub(super) fn say(&mut self, text: &str) {
        for line in text.lines() {
            // Messages contain file names, which must not control the terminal.
            self.messages.push_back(line.replace(char::is_control, "\u{fffd}"));
        }
        self.messages.drain(..self.messages.len().saturating_sub(MESSAGES));
    }

    /// The messages, oldest first.
    pub(super) fn messages(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.messages.iter().map(String::as_str)
    }

    /// Seconds until the last step, at the average speed of this process.
    pub(super) fn seconds_left(&self) -> Option<f64> {
        let last = self.last.as_ref()?;
        let made = last.step.checked_sub(self.start.step).filter(|&steps| steps > 0)?;
        let left = self.title.steps.checked_sub(last.step)?;
        Some((last.seconds - self.start.seconds) / made as f64 * left as f64)
    }

    /// Handles a key; returns the action it requests, if any.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, &mut self.input) {
            // In raw mode the terminal sends no signal.
            (KeyCode::Char('c'), _) if control => self.stop(),
            (_, _) if control => None,
            (KeyCode::Esc, input) => {
                *input = None;
                None
            }
            (KeyCode::Enter, Some(input)) if !input.trim().is_empty() => {
                Some(Action::Edit(input.trim().to_owned()))
            }
            (KeyCode::Enter, input) => {
                *input = None;
                None
            }
            (KeyCode::Backspace, Some(input)) => {
                input.pop();
                None
            }
            (KeyCode::Char(typed), Some(input)) => {
                input.push(typed);
                None
            }
            (KeyCode::Char('q'), None) => self.stop(),
            (KeyCode::Char('c'), None) => Some(Action::Checkpoint),
            (KeyCode::Char('e'), input) => {
                *input = Some(String::new());
                None
            }
            _ => None,
        }
    }

    fn stop(&mut self) -> Option<Action> {
        if self.stopping {
            return Some(Action::Abort);
        }
        self.stopping = true;
        Some(Action::Stop)
    }

    /// Shows the result of [`Action::Edit`]. After an error the text stays, to be corrected.
    pub(super) fn edited(&mut self, answer: Result<String, String>) {
        match answer {
            Ok(answer) => {
                self.input = None;
                self.say(&answer);
            }
            Err(error) => self.say(&format!("error: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State::new(Title::default(), &[], true)
    }

    fn press(state: &mut State, keys: &str) -> Vec<Action> {
        let code = |key| match key {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\x08' => KeyCode::Backspace,
            key => KeyCode::Char(key),
        };
        keys.chars().filter_map(|key| state.key(KeyEvent::new(code(key), KeyModifiers::NONE))).collect()
    }

    #[test]
    fn the_first_stop_saves_and_the_second_aborts() {
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        for first in [KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE), control_c] {
            let mut state = state();
            assert_eq!(state.key(first), Some(Action::Stop));
            assert_eq!(state.key(control_c), Some(Action::Abort));
        }
        // Also while typing, where `q` is a letter.
        let mut state = state();
        assert_eq!(press(&mut state, "eq"), []);
        assert_eq!(state.key(control_c), Some(Action::Stop));
    }

    #[test]
    fn an_edit_is_typed_corrected_and_sent() {
        let mut state = state();
        assert_eq!(press(&mut state, "elr=0.2\x081\n"), [Action::Edit("lr=0.1".to_owned())]);
        state.edited(Err("lr: no\n  help: so".to_owned()));
        assert_eq!(state.input.as_deref(), Some("lr=0.1"), "the text can be corrected");
        assert!(state.messages().eq(["error: lr: no", "  help: so"]));
        assert_eq!(press(&mut state, "0\n"), [Action::Edit("lr=0.10".to_owned())]);
        state.edited(Ok("the rate is 0.1".to_owned()));
        assert_eq!(state.input, None);
        assert_eq!(
            press(&mut state, "efreeze=conv1\x1b\nce\n"),
            [Action::Checkpoint],
            "Esc cancels; an empty edit is not sent"
        );
        assert_eq!(state.input, None);
    }

    #[test]
    fn key_releases_and_unknown_keys_are_ignored() {
        let mut state = state();
        let mut key = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        key.kind = KeyEventKind::Release;
        assert_eq!(state.key(key), None);
        assert_eq!(press(&mut state, "xyz\n\x08\x1b"), []);
    }

    #[test]
    fn repeated_steps_replace_their_earlier_values() {
        let line = |step: usize| Line {
            step,
            epoch: 1,
            seconds: step as f64 / 10.0,
            loss: 1.0,
            top1: 0.5,
            lr: 0.01,
            images_per_second: 10.0,
            waiting: 0.0,
            validation: None,
            health: BTreeMap::new(),
        };
        let title = Title { steps: 100, ..Title::default() };
        let mut state = State::new(title, &[line(10), line(20)], true);
        assert_eq!(state.seconds_left(), None, "nothing has been measured by this process yet");
        [30, 40, 30].iter().for_each(|&step| state.line(&line(step)));
        let steps: Vec<f64> = state.curves.loss.iter().map(|point| point.0).collect();
        assert_eq!(steps, [10.0, 20.0, 30.0]);
        assert_eq!(state.seconds_left(), Some(7.0));
    }

    #[test]
    fn messages_are_bounded_and_cannot_control_the_terminal() {
        let mut state = state();
        (0..1000).for_each(|i| state.say(&format!("message {i}")));
        state.say("\x1b[2Jimage");
        assert_eq!(state.messages().count(), MESSAGES);
        assert_eq!(state.messages().next_back(), Some("\u{fffd}[2Jimage"));
    }
}
