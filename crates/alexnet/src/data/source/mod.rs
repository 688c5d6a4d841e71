//! Sources of images. [`Dataset::open`] recognizes the format.
//!
//! | file | what it does |
//! |---|---|
//! | `dataset`, `split`, `store`, `catalog` | a data set, its splits, and where their images are |
//! | `recognize` | chooses the reader for a path |
//! | `folder`, `tarball`, `tree` | class folders, on disk or in a tar |
//! | `unlabeled` | images in a folder, without classes |
//! | `listing` | files and folders below a root |
//! | `layout`, `split_names` | which folders are classes, which are splits |
//! | `naming` | which files are images, system files, or made by alexnet |
//! | `flat` | images labeled by lists: all of a folder, or some of its splits |
//! | `text`, `table`, `row`, `columns`, `lookup`, `lists` | text files, lists in them, their columns, the images they name |
//! | `webdataset` | tars of images with label files next to them |
//! | `tars`, `tar_files`, `tar_contents` | a folder of tars, each of a class or of class folders |
//! | `foreign` | unsupported formats and how to convert them |
//! | `ilsvrc` | ImageNet's challenges as distributed |
//! | `packed` | packed squares |
//! | `cifar`, `idx`, `raw` | raw pixels: CIFAR, MNIST and similar sets |
//! | `arrays` | pixels in memory |
//! | `labels`, `class_order` | classes by number or name, and their order |
//! | `archive`, `index` | contents of tars, and a cache of them |

mod archive;
mod arrays;
mod catalog;
mod cifar;
mod class_order;
mod columns;
mod dataset;
mod flat;
mod folder;
mod foreign;
#[cfg(fuzzing)]
pub mod fuzzing;
mod idx;
mod ilsvrc;
mod index;
mod labels;
mod layout;
mod listing;
mod lists;
mod lookup;
mod naming;
mod packed;
mod raw;
mod recognize;
mod row;
mod split;
mod split_names;
mod store;
mod table;
mod tar_contents;
mod tar_files;
mod tarball;
mod tars;
mod text;
mod tree;
mod unlabeled;
mod webdataset;

pub use arrays::{ImageArray, PixelValues};
pub use dataset::Dataset;
pub(crate) use idx::{FASHION_CLASSES, from_bytes as idx_from_bytes};
pub use split::Split;
pub use store::Stored;
pub(crate) use unlabeled::images_by_name;
