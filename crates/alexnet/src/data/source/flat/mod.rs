//! Images that are not (all) in class folders, labeled by lists or, for ImageNet's validation images, by the development kit.
//!
//! Each part of the source, either all of it or a split folder, is labeled by class folders if it has them, otherwise by a list in
//! it, by the kit, or by a list next to it. This covers the layouts of Tiny ImageNet, Caffe and Kaggle.
//!
//! | file | what it does |
//! |---|---|
//! | `open` | reads the lists and opens the source |
//! | `part`, `choose` | the parts of a source, and how each is labeled |
//! | `report` | reports assumptions and skipped files |
//! | `labeled` | an image, and what says its class |
//! | `labels` | where the class of each image is from, and the data set |
//! | `classes` | the class names and labels |
//! | `numbers` | what numbers in lists stand for, next to class folders |

mod choose;
mod classes;
mod labeled;
mod labels;
mod numbers;
mod open;
mod part;
mod report;

pub(super) use open::open;
