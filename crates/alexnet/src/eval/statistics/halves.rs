//! Two halves of a set of images, for estimates on images that something was not fitted on.

/// Divides the images with these labels into two halves, alternately within each class.
pub(crate) fn halves<L: Ord>(labels: &[L]) -> [Vec<usize>; 2] {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|&a, &b| labels[a].cmp(&labels[b]));
    [0, 1].map(|half| order.iter().copied().skip(half).step_by(2).collect())
}
