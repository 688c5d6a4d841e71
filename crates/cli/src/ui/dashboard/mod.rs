//! The dashboard of `alexnet train --tui`, on the whole terminal.
//!
//! A thread draws the latest state a few times a second and reads the keys, so that a slow terminal never slows
//! training.
//!
//! | file | what it does |
//! |---|---|
//! | `controls` | the title, and what the keys act on |
//! | `screen` | taking the terminal and giving it back |
//! | `state` | what is shown, and what a key means |
//! | `view` | the layout |

mod controls;
mod screen;
mod state;
#[cfg(all(test, target_os = "linux"))]
mod terminal_tests;
mod view;

use std::io::{self, IsTerminal, Stderr, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event};

use alexnet::error::Kind;
use alexnet::train::metrics::Line;
use alexnet::{Error, Result};

use self::screen::Screen;
use self::state::{Action, State};
use super::terminal;
use super::tracker::Tracker;

pub(crate) use self::controls::{Controls, Title};

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(200);

/// A dashboard that is shown until it is dropped. Updating it costs the training no more than a lock.
pub(crate) struct Dashboard {
    state: Arc<Mutex<State>>,
    screen: Arc<Screen>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dashboard").finish_non_exhaustive()
    }
}

impl Dashboard {
    /// Takes the terminal. `history` holds the metrics of the training before it was interrupted.
    ///
    /// # Errors
    /// Returns an error if there is no terminal, or it cannot be put into raw mode.
    pub(crate) fn start(title: Title, history: &[Line], controls: Controls) -> Result<Self> {
        if !io::stderr().is_terminal() || !io::stdin().is_terminal() {
            return Err(Error::usage("--tui needs a terminal for stdin and stderr")
                .help("leave out --tui for plain lines"));
        }
        let failed =
            |error: io::Error| Error::new(Kind::Runtime, format!("cannot use the terminal: {error}"));
        let state = Arc::new(Mutex::new(State::new(title, history, terminal::wants_color())));
        let screen = Screen::take().map_err(failed)?;
        let ended = Arc::new(AtomicBool::new(false));
        let failed_later = |error: io::Error| {
            screen.restore();
            failed(error)
        };
        let terminal = Terminal::new(CrosstermBackend::new(io::stderr())).map_err(failed_later)?;
        let drawing =
            Drawing { state: state.clone(), screen: screen.clone(), ended: ended.clone(), controls };
        let thread = std::thread::Builder::new().name("dashboard".to_owned());
        // If the terminal goes away, drawing ends and training continues.
        let thread = thread.spawn(move || drop(drawing.run(terminal))).map_err(failed_later)?;
        Ok(Self { state, screen, ended, thread: Some(thread) })
    }

    /// Adds a line of metrics.
    pub(crate) fn line(&self, line: &Line) {
        lock(&self.state).line(line);
    }

    /// Updates the progress of the current pass.
    pub(crate) fn pass(&self, pass: &Tracker) {
        lock(&self.state).pass(pass);
    }

    /// Adds a message; it is printed to the terminal again when the dashboard closes.
    pub(crate) fn say(&self, text: &str) {
        lock(&self.state).say(text);
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed.
            let _ = thread.join();
        }
        self.screen.restore();
        let mut out = io::stderr();
        lock(&self.state).messages().for_each(|text| drop(writeln!(out, "{text}")));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the dashboard's thread owns.
struct Drawing {
    state: Arc<Mutex<State>>,
    screen: Arc<Screen>,
    ended: Arc<AtomicBool>,
    controls: Controls,
}

impl Drawing {
    fn run(&self, mut terminal: Terminal<CrosstermBackend<Stderr>>) -> io::Result<()> {
        while !self.ended.load(Ordering::SeqCst) {
            // The lock is released before anything is written to the terminal.
            terminal.draw(|frame| view::draw(frame, &lock(&self.state)))?;
            let next = Instant::now() + FRAME;
            while event::poll(next.saturating_duration_since(Instant::now()))? {
                if let Event::Key(key) = event::read()? {
                    let action = lock(&self.state).key(key);
                    action.into_iter().for_each(|action| self.act(action));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Does what a key means. The state is not locked meanwhile: the training may need it.
    fn act(&self, action: Action) {
        match action {
            Action::Stop => (self.controls.stop)(),
            Action::Abort => {
                self.screen.restore();
                std::process::exit(130);
            }
            Action::Checkpoint => (self.controls.checkpoint)(),
            Action::Edit(text) => {
                let answer = (self.controls.edit)(&text).map_err(|error| error.to_string());
                lock(&self.state).edited(answer);
            }
        }
    }
}
