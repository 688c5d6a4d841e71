//! Stopping without losing anything: Ctrl-C, or what a cluster sends before it takes a machine back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::Kind;
use crate::files::atomic;
use crate::{Error, Result};

/// Whether an [`Interrupt`] listens to this process's signals.
static ATTENDED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT (Ctrl-C) and SIGTERM end the process at once with exit code 128 + signal, and remove the files that are
/// half written, as long as no [`Interrupt`] listens to them. A process that is the first of a container ignores them
/// otherwise.
///
/// # Errors
/// When the system refuses to register a handler.
#[cfg(unix)]
pub fn end_on_signals() -> Result<()> {
    let failed =
        |what: &str, error: std::io::Error| Error::new(Kind::Runtime, format!("cannot {what}: {error}"));
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|error| failed("register signal handlers", error))?;
    let work = move || {
        for signal in signals.forever() {
            if !ATTENDED.load(Ordering::SeqCst) {
                atomic::remove_unfinished();
                signal_hook::low_level::exit(128 + signal);
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(work).map(drop).map_err(|error| {
        failed("start a thread that handles signals", error)
            .help("more memory or threads for this process: see `ulimit -v` and `ulimit -u`")
    })
}

/// Elsewhere the system ends the process.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn end_on_signals() -> Result<()> {
    Ok(())
}

/// A request to stop that the training loop looks at between steps. Clones share the request.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    /// The signal's number; 0 until one comes.
    signal: Arc<AtomicUsize>,
    /// Whether a checkpoint is asked for.
    checkpoint: Arc<AtomicBool>,
    /// Whether the process's signals count.
    listens: bool,
}

impl Interrupt {
    /// A request that only [`Interrupt::request`] makes: for use as a library.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request that SIGINT (Ctrl-C) and SIGTERM make too, once [`Interrupt::listen`] has been called.
    pub fn on_signals() -> Self {
        Self { listens: true, ..Self::default() }
    }

    /// From now on a first SIGINT or SIGTERM asks for a stop, and a second one ends the process at once with exit code
    /// 128 + signal; SIGHUP asks for a checkpoint, and training goes on. Call it when there is something to save; what runs from then on has to
    /// look at the request.
    ///
    /// # Errors
    /// When the system refuses to register a handler.
    pub fn listen(&self) -> Result<()> {
        if !self.listens {
            return Ok(());
        }
        ATTENDED.store(true, Ordering::SeqCst);
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in this order: `asked` is still false when the first signal passes the shutdown.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))
                .and_then(|_| flag::register(signal, Arc::clone(&asked)))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&self.signal), signal as usize))
                .map_err(|e| {
                    Error::new(Kind::Runtime, format!("cannot register a handler for signal {signal}: {e}"))
                })?;
        }
        #[cfg(unix)]
        flag::register(signal_hook::consts::SIGHUP, Arc::clone(&self.checkpoint))
            .map_err(|e| Error::new(Kind::Runtime, format!("cannot register a handler for SIGHUP: {e}")))?;
        Ok(())
    }

    /// Asks for a checkpoint, as SIGHUP would.
    pub fn request_checkpoint(&self) {
        self.checkpoint.store(true, Ordering::SeqCst);
    }

    /// Whether a checkpoint is asked for; the request is then met.
    pub fn take_checkpoint_request(&self) -> bool {
        self.checkpoint.swap(false, Ordering::SeqCst)
    }

    /// Asks for a stop, as SIGINT would.
    pub fn request(&self) {
        self.signal.store(SIGINT as usize, Ordering::SeqCst);
    }

    /// The signal that asked for a stop, if one did: 2 for SIGINT, 15 for SIGTERM.
    pub fn signal(&self) -> Option<u8> {
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => u8::try_from(signal).ok(),
        }
    }
}

impl Interrupt {
    /// Nothing, until a stop is asked for.
    ///
    /// # Errors
    /// From then on, of kind [`Kind::Interrupted`].
    pub fn check(&self) -> Result<()> {
        let Some(signal) = self.signal() else { return Ok(()) };
        let name = match i32::from(signal) {
            SIGINT => "SIGINT",
            SIGTERM => "SIGTERM",
            _ => "a signal",
        };
        Err(Error::new(Kind::Interrupted(signal), format!("interrupted by {name}")))
    }
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
        signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
        assert!(interrupt.take_checkpoint_request() && !interrupt.take_checkpoint_request());
    }
}
