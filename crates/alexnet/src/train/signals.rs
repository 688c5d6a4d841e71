//! Stopping without losing anything: Ctrl-C, or what a cluster sends before it takes a machine back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::Kind;
use crate::files::atomic;
use crate::{Error, Result, threads};

/// Whether an [`Interrupt`] handles this process's signals.
static HANDLED: AtomicBool = AtomicBool::new(false);

/// Makes SIGINT (Ctrl-C) and SIGTERM end the process at once with exit code 128 + signal after removing temporary files, as long
/// as no [`Interrupt`] handles them. Before the end, `report` receives the error. Without this, the first process of a
/// container would ignore them.
///
/// # Errors
/// Returns an error if the system refuses to register a handler.
#[cfg(unix)]
pub fn end_on_signals(report: impl Fn(&Error) + Send + 'static) -> Result<()> {
    let failed =
        |what: &str, error: std::io::Error| Error::new(Kind::Runtime, format!("cannot {what}: {error}"));
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|error| failed("register signal handlers", error))?;
    let work = move || {
        for signal in signals.forever() {
            if !HANDLED.load(Ordering::SeqCst) {
                atomic::remove_unfinished();
                report(&interrupted_by(signal));
                signal_hook::low_level::exit(128 + signal);
            }
        }
    };
    threads::spawn("signals", work).map(drop).map_err(|error| {
        error
            .context("handling signals")
            .help("raise the limits of memory or threads: see `ulimit -v` and `ulimit -u`")
    })
}

/// Elsewhere the system ends the process.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn end_on_signals(report: impl Fn(&Error) + Send + 'static) -> Result<()> {
    drop(report);
    Ok(())
}

/// A request to stop, which the training loop checks between steps. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    /// The signal's number; 0 for none.
    signal: Arc<AtomicUsize>,
    /// Whether a checkpoint is requested.
    checkpoint: Arc<AtomicBool>,
    /// Whether the process's signals are handled.
    listens: bool,
    /// Whether they are handled already.
    is_listening: Arc<AtomicBool>,
}

impl Interrupt {
    /// A request that only [`Interrupt::request`] makes: for use in a library.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request that SIGINT (Ctrl-C) and SIGTERM make too, once [`Interrupt::listen`] has been called.
    pub fn on_signals() -> Self {
        Self { listens: true, ..Self::default() }
    }

    /// From now on a first SIGINT or SIGTERM requests a stop, and a second one ends the process at once with exit code
    /// 128 + signal. SIGHUP, SIGUSR1 and SIGUSR2 request a checkpoint, and training continues. Call it when there is something
    /// to save; what runs from then on has to check the request.
    ///
    /// # Errors
    /// Returns an error if the system refuses to register a handler.
    pub fn listen(&self) -> Result<()> {
        if !self.listens || self.is_listening.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        HANDLED.store(true, Ordering::SeqCst);
        let requested = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in this order: `requested` is still false when the first signal passes the shutdown.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&requested))
                .and_then(|_| flag::register(signal, Arc::clone(&requested)))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&self.signal), signal as usize))
                .map_err(|error| cannot_handle(signal, &error))?;
        }
        #[cfg(unix)]
        for signal in [SIGHUP, SIGUSR1, SIGUSR2] {
            flag::register(signal, Arc::clone(&self.checkpoint))
                .map_err(|error| cannot_handle(signal, &error))?;
        }
        Ok(())
    }

    /// Requests a checkpoint, as SIGHUP does.
    pub fn request_checkpoint(&self) {
        self.checkpoint.store(true, Ordering::SeqCst);
    }

    /// Returns whether a checkpoint is requested, and clears the request.
    pub fn take_checkpoint_request(&self) -> bool {
        self.checkpoint.swap(false, Ordering::SeqCst)
    }

    /// Requests a stop, as SIGINT does.
    pub fn request(&self) {
        self.signal.store(SIGINT as usize, Ordering::SeqCst);
    }

    /// The signal that requested a stop, if any: 2 for SIGINT, 15 for SIGTERM.
    pub fn signal(&self) -> Option<u8> {
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => u8::try_from(signal).ok(),
        }
    }

    /// Checks for a request to stop.
    ///
    /// # Errors
    /// Returns an error of kind [`Kind::Interrupted`] if there is one.
    pub fn check(&self) -> Result<()> {
        let Some(signal) = self.signal() else { return Ok(()) };
        Err(interrupted_by(signal.into()))
    }
}

fn interrupted_by(signal: i32) -> Error {
    let name = match signal {
        SIGINT => "SIGINT",
        SIGTERM => "SIGTERM",
        _ => "a signal",
    };
    Error::new(Kind::Interrupted(u8::try_from(signal).unwrap_or(u8::MAX)), format!("interrupted by {name}"))
}

fn cannot_handle(signal: i32, error: &std::io::Error) -> Error {
    Error::new(Kind::Runtime, format!("cannot register a handler for signal {signal}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_a_request() {
        let interrupt = Interrupt::new();
        let seen_by_the_loop = interrupt.clone();
        assert_eq!(seen_by_the_loop.signal(), None);
        interrupt.request();
        assert_eq!(seen_by_the_loop.signal(), Some(2));
    }

    #[test]
    fn a_signal_is_a_request() {
        let interrupt = Interrupt::on_signals();
        interrupt.listen().unwrap();
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(interrupt.signal(), Some(15));
        let error = interrupt.check().unwrap_err();
        assert_eq!((error.kind.exit_code(), error.message.as_str()), (143, "interrupted by SIGTERM"));
        assert!(!interrupt.take_checkpoint_request());
        #[cfg(unix)]
        for signal in [SIGHUP, SIGUSR1, SIGUSR2] {
            signal_hook::low_level::raise(signal).unwrap();
            assert!(interrupt.take_checkpoint_request() && !interrupt.take_checkpoint_request());
        }
    }
}
