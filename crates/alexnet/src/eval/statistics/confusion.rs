//! The confusion matrix.

use super::interval::Interval;
use super::wilson::wilson;

/// How often each class is predicted as each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `[label, predicted]`.
    counts: Vec<usize>,
}

/// Images of a class that are predicted as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confused {
    /// The class of the images.
    pub label: usize,
    /// The predicted class.
    pub predicted: usize,
    /// The number of images.
    pub images: usize,
}

impl Confusion {
    /// Counts predictions: the label and the predicted class of each image, both below `classes`.
    pub fn of(classes: usize, predictions: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![0; classes * classes];
        for (label, predicted) in predictions {
            counts[label * classes + predicted] += 1;
        }
        Self { classes, counts }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns the predictions for the images of a class: one count for each predicted class.
    pub fn row(&self, label: usize) -> &[usize] {
        &self.counts[label * self.classes..][..self.classes]
    }

    /// Returns the number of images of a class.
    pub fn images(&self, label: usize) -> usize {
        self.row(label).iter().sum()
    }

    /// Returns the number of images that are predicted as a class.
    pub fn predicted(&self, class: usize) -> usize {
        (0..self.classes).map(|label| self.row(label)[class]).sum()
    }

    /// Returns the number of images of a class that are predicted as that class.
    pub fn correct(&self, class: usize) -> usize {
        self.row(class)[class]
    }

    /// Returns the fraction of the images of a class that are predicted as that class, and its interval; `None` without images.
    pub fn recall(&self, class: usize) -> Option<(f64, Interval)> {
        fraction(self.correct(class), self.images(class))
    }

    /// Returns the fraction of the images predicted as a class that belong to it, and its interval; `None` without such images.
    pub fn precision(&self, class: usize) -> Option<(f64, Interval)> {
        fraction(self.correct(class), self.predicted(class))
    }

    /// Returns up to `most` pairs of classes that are confused most often, by count, then in the order of the classes.
    pub fn most_confused(&self, most: usize) -> Vec<Confused> {
        let pairs = (0..self.classes).flat_map(|label| {
            let others = self.row(label).iter().enumerate();
            others.map(move |(predicted, &images)| Confused { label, predicted, images })
        });
        let mut pairs: Vec<Confused> =
            pairs.filter(|pair| pair.label != pair.predicted && pair.images > 0).collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.images));
        pairs.truncate(most);
        pairs
    }
}

fn fraction(count: usize, of: usize) -> Option<(f64, Interval)> {
    (of > 0).then(|| (count as f64 / of as f64, wilson(count, of)))
}
