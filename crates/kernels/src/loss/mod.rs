//! Loss.
pub mod reference;
pub use reference::softmax;
/// Loss.
pub fn softmax_loss(
    logits: &[f32],
    labels: &[u32],
    batch: usize,
    classes: usize,
    dlogits: &mut [f32],
) -> f64 {
    f64::from(reference::softmax_loss(logits, labels, batch, classes, dlogits))
}
