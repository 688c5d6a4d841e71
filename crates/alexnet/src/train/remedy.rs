//! Remedies for a loss that stays at chance level.

use serde::{Deserialize, Serialize};

use crate::error::Kind;
use crate::net::{Init, LayerSpec, Recipe, WeightSpec};
use crate::{Error, Result};

/// Divisor that scales pixels to about 1: their typical standard deviation.
pub(super) const PIXEL_STD: f32 = 64.0;

/// A remedy for a loss that stays at chance level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// He initialization in all layers but the last, without biases: activations keep their magnitude from layer to layer. So
    /// the input must have a magnitude of about 1: pixels from 0 to 255 are divided by 64.
    He,
    /// Biases of 0.1 instead of 1, and half the learning rate: with 1, the outputs of the first layers are mostly bias.
    SmallBiases,
}

impl Remedy {
    /// Returns the changes of the recipe, as for `--set`.
    pub fn settings(self, recipe: &Recipe) -> Vec<(String, String)> {
        let mut layers: Vec<(&LayerSpec, &WeightSpec)> =
            recipe.layers.iter().filter_map(|layer| Some((layer, layer.spec.weights()?))).collect();
        // The last layer, whose outputs are the logits, may start small.
        layers.pop();
        let key = |layer: &LayerSpec, what: &str| format!("layer.{}.weights.{what}", layer.name);
        let mut settings = Vec::new();
        for (layer, weights) in layers {
            let unit_bias = weights.bias == 1.0;
            match self {
                Self::He if weights.init != Init::He => {
                    settings.push((key(layer, "init"), "he".into()));
                    settings.extend(unit_bias.then(|| (key(layer, "bias"), "0".into())));
                }
                Self::SmallBiases if unit_bias => settings.push((key(layer, "bias"), "0.1".into())),
                Self::He | Self::SmallBiases => {}
            }
        }
        let unscaled = recipe.input.divisor == 1.0 && recipe.input.std.is_none();
        match self {
            Self::He if unscaled && !settings.is_empty() => {
                settings.push(("input.divisor".into(), PIXEL_STD.to_string()));
            }
            Self::He => {}
            Self::SmallBiases => {
                settings.push(("optimizer.rate".into(), (recipe.optimizer.rate / 2.0).to_string()));
            }
        }
        settings
    }

    /// Returns the recipe with the remedy applied.
    ///
    /// # Errors
    /// Returns an error if the recipe has it already.
    pub fn apply(self, recipe: &Recipe) -> Result<Recipe> {
        let settings = self.settings(recipe);
        if settings.is_empty() {
            return Err(Error::new(
                Kind::Diverged,
                "the loss stays at chance level, and the recipe already has He initialization",
            )
            .help("try a lower learning rate, such as `--set optimizer.rate=0.001`; `alexnet lr-find` suggests one"));
        }
        let mut remedied = recipe.clone();
        remedied.set_all(settings.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
        Ok(remedied)
    }

    /// Returns one line of advice; `None` if the recipe has the remedy already.
    pub(super) fn advice(self, recipe: &Recipe) -> Option<String> {
        let settings = self.settings(recipe);
        if settings.is_empty() {
            return None;
        }
        let options: Vec<String> =
            settings.iter().map(|(key, value)| format!("--set {key}={value}")).collect();
        let options = options.join(" ");
        Some(match self {
            Self::He => format!("He initialization (`--on-plateau restart-with-he`): {options}"),
            Self::SmallBiases if settings.len() == 1 => format!("a lower learning rate: {options}"),
            Self::SmallBiases => format!(
                "smaller biases and a lower learning rate (`--on-plateau restart-with-small-biases`): {options}"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_change_the_recipe() {
        let paper = Recipe::load("paper").unwrap();
        let he = Remedy::He.apply(&paper).unwrap();
        let small = Remedy::SmallBiases.apply(&paper).unwrap();
        for (layer, (he, small)) in paper.layers.iter().zip(he.layers.iter().zip(&small.layers)) {
            let Some(before) = layer.spec.weights() else { continue };
            let (he, small) = (he.spec.weights().unwrap(), small.spec.weights().unwrap());
            if layer.name == "fc8" {
                assert_eq!((he, small), (before, before));
                continue;
            }
            assert!(he.init == Init::He && he.bias == 0.0, "{}", layer.name);
            assert!(small.init == before.init && small.bias == before.bias * 0.1, "{}", layer.name);
        }
        assert_eq!((he.input.divisor, small.input.divisor), (PIXEL_STD, 1.0));
        assert_eq!(small.optimizer.rate, paper.optimizer.rate / 2.0);
        assert!(Remedy::He.apply(&he).is_err() && Remedy::He.advice(&he).is_none());
        let advice = Remedy::SmallBiases.advice(&he).unwrap();
        assert!(advice.starts_with("a lower learning rate: --set optimizer.rate="), "{advice}");
        let advice = [Remedy::He, Remedy::SmallBiases].map(|remedy| remedy.advice(&paper).unwrap());
        assert!(advice[0].contains("--set layer.conv1.weights.init=he"), "{advice:?}");
        assert!(advice[1].contains("--set layer.conv2.weights.bias=0.1"), "{advice:?}");
    }
}
