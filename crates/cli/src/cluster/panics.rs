//! A process that panics ends its job: the others would wait for it.

use std::sync::Arc;

use alexnet::Error;
use alexnet::data::decode;
use alexnet::error::Kind;
use alexnet::parallel::Transport;

/// Ends the job when a thread of this process panics. Image decoders may panic: that costs one image.
pub(super) fn end_the_job(transport: &Arc<dyn Transport>) {
    let (transport, before) = (Arc::clone(transport), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        if !decode::is_guarded() {
            eprintln!("rank {}: error: the program panicked", transport.rank());
            transport.abort(&Error::new(Kind::Runtime, "the program panicked"));
        }
    }));
}
