//! Whether packed squares are those that a recipe or a model needs.

use std::path::Path;

use super::Manifest;
use crate::net::{Orientation, Recipe};
use crate::{Error, Result};

/// How the squares of a packed set were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Squares {
    /// The folder, as the user knows it.
    folder: String,
    /// What was packed, as the user called it then.
    source: String,
    side: usize,
    orientation: Orientation,
    /// Images whose EXIF orientation made, or would have made, a difference; `None`: packed by a version that did not
    /// count them.
    rotated: Option<usize>,
}

/// Who needs squares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A recipe, which can be changed.
    Recipe,
    /// A trained model, which cannot.
    Model,
    /// Squares that are packed once more.
    Packing,
}

impl Squares {
    /// Those of a packed folder.
    pub(in crate::data) fn of(manifest: &Manifest, folder: &Path) -> Self {
        Self {
            folder: folder.display().to_string(),
            source: manifest.source.clone(),
            side: manifest.side,
            orientation: manifest.orientation,
            rotated: manifest.rotated,
        }
    }

    /// Checks that squares of this side and orientation are what was packed: squares of another size, resized once
    /// more, would not give the bits of the source, and images that lie on their side would be learned or judged so.
    /// Gives what the user should know where the folder does not say.
    pub(in crate::data) fn check(
        &self,
        side: usize,
        orientation: Orientation,
        asker: Asker,
    ) -> Result<Option<String>> {
        let Self { folder, source, .. } = self;
        let who = match asker {
            Asker::Recipe => "the recipe",
            Asker::Model => "the model",
            Asker::Packing => "the new packing",
        };
        if side != self.side {
            let packed = self.side;
            let message =
                format!("{folder} is packed at {packed} x {packed} pixels, {who} needs {side} x {side}");
            let pack = format!("pack {source} again at that size: `alexnet data pack SRC OUT --side {side}`");
            return Err(Error::data(message).help(match asker {
                Asker::Recipe => {
                    let other =
                        recipe_of(packed).map_or(String::new(), |name| format!("; or `--recipe {name}`"));
                    format!("{pack}{other}; or change the recipe: `--set input.square={packed}`")
                }
                Asker::Model | Asker::Packing => pack,
            }));
        }
        if orientation == self.orientation {
            return Ok(None);
        }
        match self.rotated {
            Some(0) => Ok(None),
            Some(rotated) => {
                let images = if rotated == 1 { "image is" } else { "images are" };
                let how = |orientation| match orientation {
                    Orientation::Exif => "rotated as EXIF says",
                    Orientation::Stored => "as stored, whatever EXIF says",
                };
                let message = format!(
                    "{folder} is packed with images {}, {who} needs them {}: {rotated} {images} another way up",
                    how(self.orientation),
                    how(orientation)
                );
                let word = orientation.name();
                let pack = format!("pack {source} again: `alexnet data pack SRC OUT --orientation {word}`");
                Err(Error::data(message).help(match asker {
                    Asker::Recipe => format!(
                        "{pack}; or change the recipe: `--set input.orientation={}`",
                        self.orientation.name()
                    ),
                    Asker::Model | Asker::Packing => pack,
                }))
            }
            None => Ok(Some(format!(
                "{folder} was packed by an earlier version, which ignored EXIF orientation: photos that rely on it are \
                 not upright; to fix that, pack the source again"
            ))),
        }
    }
}

/// The first built-in recipe whose squares have this side.
pub fn recipe_of(side: usize) -> Option<&'static str> {
    Recipe::builtin_names().find(|name| Recipe::load(name).is_ok_and(|recipe| recipe.input.square == side))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Asker::Model;
    use Orientation::{Exif, Stored};

    fn squares(orientation: Orientation, rotated: Option<usize>) -> Squares {
        Squares { folder: "packed".into(), source: "pets".into(), side: 28, orientation, rotated }
    }

    #[test]
    fn another_side_is_refused_with_both_and_the_way_out() {
        let error = squares(Exif, Some(0)).check(256, Exif, Asker::Recipe).unwrap_err();
        assert_eq!(error.message, "packed is packed at 28 x 28 pixels, the recipe needs 256 x 256");
        let help = error.help.unwrap();
        assert!(
            help.contains("pack pets again at that size: `alexnet data pack SRC OUT --side 256`"),
            "{help}"
        );
        assert!(help.contains("--set input.square=28") && help.contains("`--recipe small`"), "{help}");
        assert_eq!(
            [256, 28, 32, 100].map(recipe_of),
            [Some("paper"), Some("small"), Some("cifar-18pct"), None]
        );
        let help = squares(Exif, Some(0)).check(8, Exif, Model).unwrap_err().help.unwrap();
        assert!(help.contains("--side 8") && !help.contains("--set"), "{help}");
    }

    #[test]
    fn another_orientation_is_refused_only_where_it_makes_a_difference() {
        for (packed, rotated, asked) in [
            (Exif, Some(3), Exif),
            (Stored, Some(3), Stored),
            (Stored, None, Stored),
            (Exif, Some(0), Stored),
        ] {
            assert_eq!(
                squares(packed, rotated).check(28, asked, Model).unwrap(),
                None,
                "{packed:?} {asked:?}"
            );
        }
        let error = squares(Stored, Some(1)).check(28, Exif, Asker::Recipe).unwrap_err();
        assert!(error.message.contains("1 image is another way up"), "{error}");
        assert!(error.help.unwrap().contains("--orientation exif"));
        let error = squares(Exif, Some(2)).check(28, Stored, Model).unwrap_err();
        assert!(
            error.message.contains("the model needs them as stored") && error.message.contains("2 images")
        );
        assert!(error.help.unwrap().contains("--orientation stored"));
        let note = squares(Stored, None).check(28, Exif, Model).unwrap().unwrap();
        assert!(note.contains("earlier version"), "{note}");
    }
}
