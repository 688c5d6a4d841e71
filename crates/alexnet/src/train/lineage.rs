//! What determines the result of a training run.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::data::Identity;
use crate::net::{Recipe, diff};
use crate::parallel::{ExchangePrecision, Scheme};

/// What determines the result of a training run: a checkpoint is only resumed with the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// The recipe, as TOML.
    pub recipe: String,
    /// The images.
    pub data: Identity,
    /// The seed of all random numbers.
    pub seed: u64,
    /// SHA-256 of the model file that the training started from, if any.
    pub init: Option<String>,
    /// The number of leaves that gradients are summed in.
    #[serde(default = "one")]
    pub leaves: usize,
    /// How processes share the training. Their number does not matter.
    #[serde(default)]
    pub scheme: Scheme,
    /// The precision of exchanged gradients.
    #[serde(default)]
    pub precision: ExchangePrecision,
}

/// The number of leaves of earlier versions.
const fn one() -> usize {
    1
}

/// Describes how a recipe's text differs from that of `now`; `None` if it does not. Both are parsed, because an earlier version may
/// have written the same recipe differently. What they say of themselves and of the paper changes no training.
pub(crate) fn recipe_difference(then: &str, now: &str) -> Option<String> {
    let read = |text: &str| {
        let recipe = Recipe::parse(text, "the recorded recipe")?;
        Ok::<_, Error>(Recipe { summary: String::new(), differences: Vec::new(), ..recipe })
    };
    match (read(then), read(now)) {
        (Ok(then), Ok(now)) if then == now => None,
        (Ok(then), Ok(now)) => Some(format!("the recipe:\n{}", diff(&then, &now).trim_end())),
        (Err(_), _) | (_, Err(_)) => Some("the recipe, which this version cannot read".to_owned()),
    }
}

impl Lineage {
    /// Describes how the lineage of a training run that would resume differs from this one; `None` if it does not.
    pub fn difference(&self, now: &Self) -> Option<String> {
        let mut differences: Vec<String> = recipe_difference(&self.recipe, &now.recipe).into_iter().collect();
        if let Some(difference) = self.data.difference(&now.data) {
            differences.push(format!("the images: {difference}"));
        }
        if self.seed != now.seed {
            differences.push(format!("the seed: {} -> {}", self.seed, now.seed));
        }
        if self.init != now.init {
            differences.push("the model that the training started from".to_owned());
        }
        if self.leaves != now.leaves {
            differences.push(format!("the leaves: {} -> {}", self.leaves, now.leaves));
        }
        if self.scheme != now.scheme {
            differences.push(format!("the parallel scheme: {} -> {}", self.scheme, now.scheme));
        }
        if self.precision != now.precision {
            differences
                .push(format!("the precision of the exchange: {} -> {}", self.precision, now.precision));
        }
        (!differences.is_empty()).then(|| differences.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_described() {
        let mut recipe = Recipe::load("small").unwrap();
        let data = Identity { classes: vec!["cat".into()], splits: Vec::new() };
        let then = Lineage {
            recipe: recipe.to_toml(),
            data,
            seed: 7,
            init: None,
            leaves: 1,
            scheme: Scheme::Data,
            precision: ExchangePrecision::F32,
        };
        assert_eq!(then.difference(&then), None);
        let reworded = then.recipe.replace("Pixels are divided by 64", "Dividing pixels by 64");
        assert!(reworded != then.recipe);
        assert_eq!(recipe_difference(&then.recipe, &reworded), None);
        recipe.set("optimizer.rate", "0.5").unwrap();
        let mut data = then.data.clone();
        data.classes.push("dog".into());
        let now = Lineage {
            recipe: recipe.to_toml(),
            data,
            seed: 8,
            init: Some("x".into()),
            leaves: 2,
            ..then.clone()
        };
        let difference = then.difference(&now).unwrap();
        for expected in [
            "optimizer.rate: 0.01 -> 0.5",
            "classes: 1 -> 2",
            "the seed: 7 -> 8",
            "started from",
            "the leaves: 1 -> 2",
        ] {
            assert!(difference.contains(expected), "{difference}");
        }
    }
}
