//! Taking the terminal and giving it back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// The terminal while it is taken: in raw mode, on the alternate screen.
#[derive(Debug)]
pub(super) struct Screen {
    taken: AtomicBool,
}

impl Screen {
    pub(super) fn take() -> io::Result<Arc<Self>> {
        enable_raw_mode()?;
        let screen = Arc::new(Self { taken: AtomicBool::new(true) });
        if let Err(error) = execute!(io::stderr(), EnterAlternateScreen) {
            screen.restore();
            return Err(error);
        }
        // A panic message belongs on the normal screen.
        let (before, in_panic) = (std::panic::take_hook(), screen.clone());
        std::panic::set_hook(Box::new(move |panic| {
            in_panic.restore();
            before(panic);
        }));
        Ok(screen)
    }

    /// Restores the terminal, once.
    pub(super) fn restore(&self) {
        if self.taken.swap(false, Ordering::SeqCst) {
            // A terminal that refuses cannot be helped.
            let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
            let _ = disable_raw_mode();
        }
    }
}
