//! What the dashboard knows, and what a key means.

use std::collections::{BTreeMap, VecDeque};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::Title;
use crate::train::metrics::{Line, Validation};

/// Messages that are kept.
const MESSAGES: usize = 200;

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Stop, with everything saved.
    Stop,
    /// Stop now.
    Leave,
    Checkpoint,
    /// Change what was typed.
    Edit(String),
}

/// How far something is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) what: String,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) rate: f64,
}

/// Steps and values of each curve.
#[derive(Clone, Debug, Default)]
pub(super) struct Curves {
    pub(super) loss: Vec<(f64, f64)>,
    pub(super) top1: Vec<(f64, f64)>,
    pub(super) val_loss: Vec<(f64, f64)>,
    pub(super) val_top1: Vec<(f64, f64)>,
}

/// All that is shown.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) title: Title,
    pub(super) colors: bool,
    pub(super) curves: Curves,
    pub(super) last: Option<Line>,
    pub(super) validation: Option<Validation>,
    /// Of the last line that had any: those of epochs may have none.
    pub(super) health: BTreeMap<String, f32>,
    pub(super) stretch: Option<Stretch>,
    pub(super) input: Option<String>,
    pub(super) stopping: bool,
    messages: VecDeque<String>,
    /// Step and seconds where this part of the training began.
    began: (usize, f64),
}

impl State {
    pub(super) fn new(title: Title, lines: &[Line], colors: bool) -> Self {
        let mut state = Self {
            title,
            colors,
            curves: Curves::default(),
            last: None,
            validation: None,
            health: BTreeMap::new(),
            stretch: None,
            input: None,
            stopping: false,
            messages: VecDeque::new(),
            began: lines.last().map_or((0, 0.0), |line| (line.step, line.seconds)),
        };
        lines.iter().for_each(|line| state.line(line));
        state
    }

    pub(super) fn line(&mut self, line: &Line) {
        let step = line.step as f64;
        let add = |curve: &mut Vec<(f64, f64)>, value: f32| {
            // Of steps that are made again, what they measured before goes.
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

    pub(super) fn stretch(&mut self, what: &str, done: u64, total: u64, rate: f64) {
        match &mut self.stretch {
            Some(stretch) if stretch.what == what => {
                (stretch.done, stretch.total, stretch.rate) = (done, total, rate);
            }
            stretch => *stretch = Some(Stretch { what: what.to_owned(), done, total, rate }),
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        for line in text.lines() {
            // Names of files are in messages: they are not to command the terminal.
            self.messages.push_back(line.replace(char::is_control, "\u{fffd}"));
        }
        self.messages.drain(..self.messages.len().saturating_sub(MESSAGES));
    }

    /// The messages, the latest last.
    pub(super) fn messages(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.messages.iter().map(String::as_str)
    }

    /// Seconds until all steps are made, at the pace since this part of the training began.
    pub(super) fn seconds_left(&self) -> Option<f64> {
        let last = self.last.as_ref()?;
        let made = last.step.checked_sub(self.began.0).filter(|&steps| steps > 0)?;
        let left = self.title.steps.checked_sub(last.step)?;
        Some((last.seconds - self.began.1) / made as f64 * left as f64)
    }

    /// What a key means, where the state alone does not settle it.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, &mut self.input) {
            // A raw terminal makes no signal of it.
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
            return Some(Action::Leave);
        }
        self.stopping = true;
        Some(Action::Stop)
    }

    /// What came of [`Action::Edit`]: after an error the text stays, to be corrected.
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
    fn the_first_stop_saves_and_the_second_leaves() {
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        for first in [KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE), control_c] {
            let mut state = state();
            assert_eq!(state.key(first), Some(Action::Stop));
            assert_eq!(state.key(control_c), Some(Action::Leave));
        }
        // Also while something is typed, where `q` is a letter.
        let mut state = state();
        assert_eq!(press(&mut state, "eq"), []);
        assert_eq!(state.key(control_c), Some(Action::Stop));
    }

    #[test]
    fn an_edit_is_typed_corrected_and_sent() {
        let mut state = state();
        assert_eq!(press(&mut state, "elr=0.2\x081\n"), [Action::Edit("lr=0.1".to_owned())]);
        state.edited(Err("lr: no\n  help: so".to_owned()));
        assert_eq!(state.input.as_deref(), Some("lr=0.1"), "it can be corrected");
        assert!(state.messages().eq(["error: lr: no", "  help: so"]));
        assert_eq!(press(&mut state, "0\n"), [Action::Edit("lr=0.10".to_owned())]);
        state.edited(Ok("the rate is 0.1".to_owned()));
        assert_eq!(state.input, None);
        assert_eq!(
            press(&mut state, "efreeze=conv1\x1b\nce\n"),
            [Action::Checkpoint],
            "Esc leaves; nothing is sent"
        );
        assert_eq!(state.input, None);
    }

    #[test]
    fn keys_let_go_and_other_keys_mean_nothing() {
        let mut state = state();
        let mut key = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        key.kind = KeyEventKind::Release;
        assert_eq!(state.key(key), None);
        assert_eq!(press(&mut state, "xyz\n\x08\x1b"), []);
    }

    #[test]
    fn steps_that_are_made_again_take_the_place_of_those_before() {
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
        assert_eq!(state.seconds_left(), None, "nothing has been measured here yet");
        [30, 40, 30].iter().for_each(|&step| state.line(&line(step)));
        let steps: Vec<f64> = state.curves.loss.iter().map(|point| point.0).collect();
        assert_eq!(steps, [10.0, 20.0, 30.0]);
        assert_eq!(state.seconds_left(), Some(7.0));
    }

    #[test]
    fn messages_are_bounded_and_command_no_terminal() {
        let mut state = state();
        (0..1000).for_each(|i| state.say(&format!("message {i}")));
        state.say("\x1b[2Jimage");
        assert_eq!(state.messages().count(), MESSAGES);
        assert_eq!(state.messages().next_back(), Some("\u{fffd}[2Jimage"));
    }
}
