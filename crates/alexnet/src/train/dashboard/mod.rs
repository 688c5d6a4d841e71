//! A training on a terminal of its own: `alexnet train --tui`.
//!
//! The trainer tells what happens; a thread of the dashboard draws it a few times a second and reads the keys, so that a
//! slow terminal never slows training.
//!
//! | file | what it does |
//! |---|---|
//! | `state` | what is known, and what a key means |
//! | `view` | how it looks |

mod state;
mod view;

use std::io::{self, IsTerminal, Stderr, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use self::state::{Action, State};
use super::metrics::Line;
use crate::error::Kind;
use crate::{Error, Result};

/// Between two images of the state.
const FRAME: Duration = Duration::from_millis(200);

/// What does not change while a training runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Title {
    /// The run folder.
    pub run: String,
    /// The recipe's name.
    pub recipe: String,
    /// Epochs in all.
    pub epochs: usize,
    /// Updates in all, for the time that is left; 0 when they are not known.
    pub steps: usize,
}

/// Takes a change as it was typed, and answers.
pub type Edit = Box<dyn Fn(&str) -> Result<String> + Send>;

/// What keys do. All is called on the dashboard's thread.
pub struct Controls {
    /// Asks for a stop.
    pub stop: Box<dyn Fn() + Send>,
    /// Asks for a checkpoint.
    pub checkpoint: Box<dyn Fn() + Send>,
    /// Takes what `alexnet edit` takes, such as `lr=0.001`, and says what it means or what is wrong.
    pub edit: Edit,
}

/// A dashboard that is shown until it is stopped or dropped. What is told to it costs the trainer no more than a lock.
pub struct Dashboard {
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
    /// Takes the terminal. `lines` are those of the training before it was interrupted.
    ///
    /// # Errors
    /// When there is no terminal, or it cannot be had.
    pub fn start(title: Title, lines: &[Line], controls: Controls) -> Result<Self> {
        if !io::stderr().is_terminal() || !io::stdin().is_terminal() {
            return Err(Error::usage("--tui needs a terminal for stdin and stderr")
                .help("without --tui: plain lines"));
        }
        let failed =
            |error: io::Error| Error::new(Kind::Runtime, format!("cannot use the terminal: {error}"));
        let colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let state = Arc::new(Mutex::new(State::new(title, lines, colors)));
        let screen = Screen::take().map_err(failed)?;
        let ended = Arc::new(AtomicBool::new(false));
        let terminal = Terminal::new(CrosstermBackend::new(io::stderr())).map_err(failed)?;
        let drawing =
            Drawing { state: state.clone(), screen: screen.clone(), ended: ended.clone(), controls };
        let thread = std::thread::Builder::new().name("dashboard".to_owned());
        // A terminal that has gone away ends the drawing and not the training.
        let thread = thread.spawn(move || drop(drawing.run(terminal))).map_err(failed)?;
        Ok(Self { state, screen, ended, thread: Some(thread) })
    }

    /// A line of metrics was written.
    pub fn line(&self, line: &Line) {
        lock(&self.state).line(line);
    }

    /// How far an epoch, a validation or the like is: `done` of `total` images, `rate` of them a second.
    pub fn stretch(&self, what: &str, done: u64, total: u64, rate: f64) {
        lock(&self.state).stretch(what, done, total, rate);
    }

    /// A message: it stands among the others, and is printed when the dashboard has gone.
    pub fn say(&self, text: &str) {
        lock(&self.state).say(text);
    }

    /// Gives the terminal back, and prints the messages there.
    pub fn stop(self) {}
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed.
            let _ = thread.join();
        }
        self.screen.give_back();
        let mut out = io::stderr();
        lock(&self.state).messages().for_each(|text| drop(writeln!(out, "{text}")));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the dashboard's thread has.
struct Drawing {
    state: Arc<Mutex<State>>,
    screen: Arc<Screen>,
    ended: Arc<AtomicBool>,
    controls: Controls,
}

impl Drawing {
    fn run(&self, mut terminal: Terminal<CrosstermBackend<Stderr>>) -> io::Result<()> {
        while !self.ended.load(Ordering::SeqCst) {
            // The lock is free again before anything is written to the terminal.
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

    /// Does what a key asks for. The trainer may need the state meanwhile: it is not locked.
    fn act(&self, action: Action) {
        match action {
            Action::Stop => (self.controls.stop)(),
            Action::Leave => {
                self.screen.give_back();
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

/// The terminal while it is taken: raw, and on its second screen.
#[derive(Debug)]
struct Screen {
    taken: AtomicBool,
}

impl Screen {
    fn take() -> io::Result<Arc<Self>> {
        enable_raw_mode()?;
        let screen = Arc::new(Self { taken: AtomicBool::new(true) });
        if let Err(error) = execute!(io::stderr(), EnterAlternateScreen) {
            screen.give_back();
            return Err(error);
        }
        // A panic is to be read on the terminal as it was.
        let (before, in_panic) = (std::panic::take_hook(), screen.clone());
        std::panic::set_hook(Box::new(move |panic| {
            in_panic.give_back();
            before(panic);
        }));
        Ok(screen)
    }

    /// Makes the terminal what it was, once.
    fn give_back(&self) {
        if self.taken.swap(false, Ordering::SeqCst) {
            // There is nothing to be done about a terminal that refuses.
            let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
            let _ = disable_raw_mode();
        }
    }
}
