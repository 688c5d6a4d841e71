//! Repairs of a data set: a plan that can be edited, applied and undone.
//!
//! A plan lists images to leave out and images to repair. Applied to a new folder, the source is not changed: the folder gets
//! links to the good images and repaired copies of the others. Applied in place, files that are left out or replaced move to
//! `.set-aside` in the source folder, and move back when the plan is undone.
//!
//! | file | what it does |
//! |---|---|
//! | `plan` | the plan |
//! | `apply` | applies and undoes a plan |
//! | `copying`, `in_place` | to a new folder, or in the source folder |
//! | `mend` | repairs one image |
//! | `record` | what a plan has changed |
//! | `undo` | reverts the changes in a record |

mod apply;
mod copying;
mod in_place;
mod mend;
mod plan;
mod record;
mod undo;

pub use plan::{Action, FixCounts, FixPlan, FixStep};
pub use undo::{Remaining, Undone};
