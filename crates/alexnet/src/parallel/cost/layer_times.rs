//! How long one process takes for each layer, from measurements at one or several batch sizes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::engine::Pass;
use crate::error::Kind;
use crate::net::{Network, Recipe};
use crate::{Error, Result};

/// A measurement of a training step: fields of what `alexnet bench --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Name of the recipe.
    pub recipe: String,
    /// Images per step.
    pub batch: usize,
    /// Compute threads.
    pub threads: usize,
    /// Bandwidth of a memory copy in GB/s, read plus written.
    pub copy_gbytes: f64,
    /// Every pass through every layer.
    pub train_layers: Vec<MeasuredPass>,
}

/// The duration of a pass through a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredPass {
    /// Name of the layer.
    pub layer: String,
    /// The pass.
    pub pass: Pass,
    /// How long it takes.
    pub milliseconds: f64,
}

/// What a file of layer times holds: the output of `alexnet bench`, or of `alexnet plan-cluster`.
#[derive(Deserialize)]
#[serde(untagged)]
enum LayersFile {
    One(Measurement),
    Several { measurements: Vec<Measurement> },
}

/// Reads measurements from what `alexnet bench --json` or `alexnet plan-cluster --json` printed.
///
/// # Errors
/// Returns an error if the file cannot be read or holds something else.
pub fn read(path: &Path) -> Result<Vec<Measurement>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, "read", &error))?;
    match serde_json::from_str(&text) {
        Ok(LayersFile::One(measurement)) => Ok(vec![measurement]),
        Ok(LayersFile::Several { measurements }) if !measurements.is_empty() => Ok(measurements),
        Ok(LayersFile::Several { .. }) | Err(_) => {
            let message = format!("{}: no layer times", crate::error::shown(path));
            Err(Error::new(Kind::Usage, message)
                .help("`alexnet bench --layers --json > layers.json` writes them"))
        }
    }
}

/// The durations of all passes of a network, as functions of the number of images.
#[derive(Clone, Debug)]
pub struct LayerTimes {
    /// Batch sizes and seconds, smallest batch first.
    passes: BTreeMap<(usize, usize), Vec<(f64, f64)>>,
    memory_bytes_per_second: f64,
}

impl LayerTimes {
    /// Combines measurements at different batch sizes.
    ///
    /// # Errors
    /// Returns an error if the list is empty, or a measurement belongs to another network or has invalid values.
    pub fn new(recipe: &Recipe, network: &Network, measurements: &[Measurement]) -> Result<Self> {
        let Some(first) = measurements.first() else {
            return Err(Error::usage("no layer times"));
        };
        let mut passes: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
        for measurement in measurements {
            check(recipe, network, measurement)?;
            for MeasuredPass { layer, pass, milliseconds } in &measurement.train_layers {
                let position = network.layers.iter().position(|known| known.name == *layer).expect("checked");
                let sizes = passes.entry((position, *pass as usize)).or_default();
                sizes.push((measurement.batch as f64, milliseconds / 1e3));
            }
        }
        for sizes in passes.values_mut() {
            sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
            sizes.dedup_by_key(|size| size.0);
        }
        Ok(Self { passes, memory_bytes_per_second: 1e9 * first.copy_gbytes })
    }

    /// Seconds of a pass for a number of images. Between two measured sizes a straight line; beyond them in proportion to the
    /// number of images, except that an update takes the same time for any.
    pub fn seconds(&self, layer: usize, pass: Pass, images: f64) -> f64 {
        let Some(sizes) = self.passes.get(&(layer, pass as usize)) else { return 0.0 };
        let above = sizes.partition_point(|size| size.0 < images);
        let beyond = |(size, seconds): (f64, f64)| match pass {
            Pass::Update | Pass::Exchange => seconds,
            Pass::Forward | Pass::WeightGradient | Pass::InputGradient => seconds * images / size,
        };
        match (above.checked_sub(1).map(|below| sizes[below]), sizes.get(above).copied()) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (images - x0) / (x1 - x0),
            (Some(end), None) | (None, Some(end)) => beyond(end),
            (None, None) => 0.0,
        }
    }

    /// Bytes per second that a process reads and writes in memory.
    pub const fn memory_bytes_per_second(&self) -> f64 {
        self.memory_bytes_per_second
    }
}

/// Checks that a measurement is one of the network.
fn check(recipe: &Recipe, network: &Network, measurement: &Measurement) -> Result<()> {
    let Measurement { batch, copy_gbytes, train_layers, .. } = measurement;
    let other = |problem: String| {
        Err(Error::usage(format!("layer times of recipe `{}`: {problem}", measurement.recipe))
            .help("measure them with `alexnet bench --layers --json --recipe NAME`"))
    };
    if measurement.recipe != recipe.name {
        return other(format!("expected recipe `{}`", recipe.name));
    }
    if let Some(pass) =
        train_layers.iter().find(|pass| network.layers.iter().all(|layer| layer.name != pass.layer))
    {
        return other(format!("the network has no layer `{}`", pass.layer));
    }
    let unmeasured = network.layers.iter().find(|layer| {
        layer.parameters() > 0
            && !train_layers.iter().any(|pass| pass.layer == layer.name && pass.pass == Pass::Forward)
    });
    if let Some(layer) = unmeasured {
        return other(format!("layer `{}` of the network is missing", layer.name));
    }
    let times = train_layers.iter().map(|pass| pass.milliseconds);
    if *batch == 0
        || copy_gbytes.is_nan()
        || *copy_gbytes <= 0.0
        || times.clone().any(|time| !time.is_finite() || time < 0.0)
    {
        return other(
            "expected times of 0 or more, a batch of at least 1 image, and `copy_gbytes` above 0".into(),
        );
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn measured(network: &Network, recipe: &str, batch: usize, seconds: impl Fn(Pass) -> f64) -> Measurement {
        let passes = [Pass::Forward, Pass::WeightGradient, Pass::InputGradient, Pass::Update];
        let of = |layer: &crate::net::Layer| {
            let name = layer.name.clone();
            let pass = |&pass| MeasuredPass { layer: name.clone(), pass, milliseconds: 1e3 * seconds(pass) };
            passes.iter().map(pass).collect::<Vec<_>>()
        };
        Measurement {
            recipe: recipe.into(),
            batch,
            threads: 1,
            copy_gbytes: 10.0,
            train_layers: network.layers.iter().flat_map(of).collect(),
        }
    }

    /// Layers of which every pass takes the same time at a batch size.
    pub(in super::super) fn even(network: &Network, batch: usize, seconds: f64) -> LayerTimes {
        let recipe = Recipe::load("paper").unwrap();
        LayerTimes::new(&recipe, network, &[measured(network, "paper", batch, |_| seconds)]).unwrap()
    }

    fn paper() -> (Recipe, Network) {
        let recipe = Recipe::load("paper").unwrap();
        let network = Network::new(&recipe, 1000).unwrap();
        (recipe, network)
    }

    #[test]
    fn times_lie_between_those_of_the_measured_sizes() {
        let (recipe, network) = paper();
        let sizes = [measured(&network, "paper", 64, |_| 0.6), measured(&network, "paper", 16, |_| 0.3)];
        let times = LayerTimes::new(&recipe, &network, &sizes).unwrap();
        for (images, expected) in [(16.0, 0.3), (40.0, 0.45), (64.0, 0.6), (128.0, 1.2), (8.0, 0.15)] {
            assert!((times.seconds(0, Pass::Forward, images) - expected).abs() < 1e-9, "{images}");
        }
        assert_eq!(times.seconds(0, Pass::Update, 128.0), 0.6);
        assert_eq!(times.seconds(999, Pass::Forward, 128.0), 0.0);
    }

    #[test]
    fn times_of_another_network_are_refused() {
        let (recipe, network) = paper();
        let good = measured(&network, "paper", 64, |_| 0.1);
        let refused = |change: &dyn Fn(&mut Measurement)| {
            let mut bad = good.clone();
            change(&mut bad);
            LayerTimes::new(&recipe, &network, &[bad]).unwrap_err().message
        };
        assert!(refused(&|bad| bad.recipe = "small".into()).contains("expected recipe `paper`"));
        assert!(refused(&|bad| bad.train_layers[0].layer = "conv9".into()).contains("no layer `conv9`"));
        assert!(refused(&|bad| bad.train_layers.retain(|pass| pass.layer != "fc7")).contains("layer `fc7`"));
        assert!(refused(&|bad| bad.train_layers[0].milliseconds = -1.0).contains("0 or more"));
        assert!(refused(&|bad| bad.batch = 0).contains("at least 1 image"));
        assert!(LayerTimes::new(&recipe, &network, &[]).is_err());
    }

    #[test]
    fn files_of_both_commands_are_read() {
        let (_, network) = paper();
        let one = measured(&network, "paper", 64, |_| 0.1);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layers.json");
        let mut value = serde_json::to_value(&one).unwrap();
        value["train_images_per_second"] = 100.0.into();
        for (text, expected) in [
            (value.to_string(), Some(1)),
            (serde_json::json!({ "measurements": [one, one] }).to_string(), Some(2)),
            (r#"{"measurements": []}"#.into(), None),
            ("{}".into(), None),
            ("conv1 3.5".into(), None),
        ] {
            std::fs::write(&path, &text).unwrap();
            match (read(&path), expected) {
                (Ok(found), Some(expected)) => assert_eq!(found.len(), expected),
                (Err(error), None) => assert!(error.message.contains("no layer times"), "{error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        assert!(read(&folder.path().join("nope")).is_err());
    }
}
