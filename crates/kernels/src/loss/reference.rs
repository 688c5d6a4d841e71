//! Loss.
use crate::real::Real;
/// Softmax.
pub fn softmax<T: Real>(logits: &[T], batch: usize, classes: usize, probabilities: &mut [T]) {
    for b in 0..batch {
        let z = &logits[b * classes..][..classes];
        let p = &mut probabilities[b * classes..][..classes];
        let mut top = z[0];
        z.iter().for_each(|&v| {
            if v > top {
                top = v
            }
        });
        let mut sum = T::ZERO;
        for (p, &z) in p.iter_mut().zip(z) {
            *p = (z - top).exp();
            sum += *p;
        }
        p.iter_mut().for_each(|p| *p = *p / sum);
    }
}
/// Loss.
pub fn softmax_loss<T: Real>(
    logits: &[T],
    labels: &[u32],
    batch: usize,
    classes: usize,
    dlogits: &mut [T],
) -> T {
    softmax(logits, batch, classes, dlogits);
    let mut loss = T::ZERO;
    let n = T::from_f64(batch as f64);
    for b in 0..batch {
        let z = &logits[b * classes..][..classes];
        let d = &mut dlogits[b * classes..][..classes];
        let own = labels[b] as usize;
        let mut top = z[0];
        z.iter().for_each(|&v| {
            if v > top {
                top = v
            }
        });
        let mut sum = T::ZERO;
        z.iter().for_each(|&v| sum += (v - top).exp());
        loss += sum.ln() + top - z[own];
        d[own] -= T::ONE;
        d.iter_mut().for_each(|d| *d = *d / n);
    }
    loss / n
}
