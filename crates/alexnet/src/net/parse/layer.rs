//! Parses the `[[layer]]` tables.

use super::key::{CONV, DROPOUT, FC, INIT, LAYER_KINDS, LRN, LayerKind, MAP_NORM, PLAIN, POOL, WEIGHTS};
use super::range::{ABOVE_ZERO, FRACTION, SIDE, WIDTH, ZERO_OR_MORE};
use crate::Result;
use crate::net::reader::{Entry, Table};
use crate::net::recipe::{ConvSpec, DropoutScale, Init, LayerSpec, PoolSpec, RoundingSpec, Spec, WeightSpec};

/// Parses one layer.
pub(super) fn layer(table: Table<'_>) -> Result<LayerSpec> {
    let entry = table.get("name", "\"conv1\"")?;
    let name = entry.text()?;
    // No dots: names are part of tensor names such as `conv1.weight`, and of keys of `--set`.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(entry.refuse("letters, digits, `-` and `_`", "write `name = \"conv1\"`"));
    }
    // Checkpoints put these in front of the names of other tensors.
    if name == "best" || name == "momentum" {
        return Err(entry.refuse("a name other than `best` and `momentum`", "write `name = \"conv1\"`"));
    }
    let table = table.called(format!("layer.{name}"));
    let kind = table.get("kind", "\"conv\"")?.choice(LAYER_KINDS)?;
    let spec = match kind {
        LayerKind::Conv => Spec::Conv(conv(table)?),
        LayerKind::Local => Spec::Local(conv(table)?),
        LayerKind::Fc => {
            let table = table.only(FC)?;
            Spec::Fc {
                units: table.find("units").map(|e| e.integer(WIDTH)).transpose()?,
                weights: weights(&table)?,
            }
        }
        LayerKind::MaxPool => Spec::MaxPool(pool(table)?),
        LayerKind::AvgPool => Spec::AvgPool(pool(table)?),
        LayerKind::Lrn => {
            let table = table.only(LRN)?;
            Spec::Lrn {
                size: table.get("size", "5")?.integer(SIDE)?,
                alpha: table.get("alpha", "1e-4")?.number(ZERO_OR_MORE, 1e-4)?,
                beta: table.get("beta", "0.75")?.number(0.0..=100.0, 0.75)?,
                k: table.get("k", "2.0")?.number(ABOVE_ZERO, 2.0)?,
                alpha_over_size: table.get("alpha_over_size", "false")?.flag()?,
                groups: table.find("groups").map_or(Ok(1), |e| e.integer(WIDTH))?,
            }
        }
        LayerKind::MapNorm => {
            let table = table.only(MAP_NORM)?;
            Spec::MapNorm {
                size: table.get("size", "5")?.integer(SIDE)?,
                alpha: table.get("alpha", "1e-3")?.number(ZERO_OR_MORE, 1e-3)?,
                beta: table.get("beta", "0.75")?.number(0.0..=100.0, 0.75)?,
            }
        }
        LayerKind::Relu => table.only(PLAIN).map(|_| Spec::Relu {})?,
        LayerKind::Tanh => table.only(PLAIN).map(|_| Spec::Tanh {})?,
        LayerKind::Logistic => table.only(PLAIN).map(|_| Spec::Logistic {})?,
        LayerKind::Dropout => {
            let table = table.only(DROPOUT)?;
            let scales = [("test", DropoutScale::Test), ("train", DropoutScale::Train)];
            Spec::Dropout {
                rate: table.get("rate", "0.5")?.single(FRACTION, 0.5)?,
                scale: table.get("scale", "\"test\"")?.choice(&scales)?,
            }
        }
    };
    Ok(LayerSpec { name, spec })
}

fn conv(table: Table<'_>) -> Result<ConvSpec> {
    let table = table.only(CONV)?;
    Ok(ConvSpec {
        maps: table.get("maps", "96")?.integer(WIDTH)?,
        kernel: table.get("kernel", "3")?.integer(SIDE)?,
        stride: table.find("stride").map_or(Ok(1), |e| e.integer(SIDE))?,
        pad: pad(&table)?,
        groups: table.find("groups").map_or(Ok(1), |e| e.integer(WIDTH))?,
        rounding: rounding(&table)?,
        weights: weights(&table)?,
    })
}

fn pool(table: Table<'_>) -> Result<PoolSpec> {
    let table = table.only(POOL)?;
    Ok(PoolSpec {
        kernel: table.get("kernel", "3")?.integer(SIDE)?,
        stride: table.get("stride", "2")?.integer(SIDE)?,
        pad: pad(&table)?,
        rounding: rounding(&table)?,
    })
}

fn pad(table: &Table<'_>) -> Result<usize> {
    table.find("pad").map_or(Ok(0), |e| e.integer(0..=4096))
}

fn rounding(table: &Table<'_>) -> Result<RoundingSpec> {
    let words = [("down", RoundingSpec::Down), ("up", RoundingSpec::Up)];
    table.find("rounding").map_or(Ok(RoundingSpec::Down), |e| e.choice(&words))
}

fn weights(table: &Table<'_>) -> Result<WeightSpec> {
    let default = WeightSpec::default();
    let Some(entry) = table.find("weights") else { return Ok(default) };
    let table = entry.table()?.only(WEIGHTS)?;
    let init = table.find("init").map_or(Ok(default.init), init)?;
    let mut bias = default.bias;
    if let Some(entry) = table.find("bias") {
        bias = entry.single(-1e3..=1e3, 0.0)?;
        if init == Init::FanIn && bias != 0.0 {
            return Err(entry.refuse(
                "no `bias` with `init = \"fan-in\"`, which also initializes the biases",
                "remove `bias`, or write `init = \"he\"`",
            ));
        }
    }
    Ok(WeightSpec {
        init,
        bias,
        rate: table.find("rate").map_or(Ok(default.rate), |e| e.single(ZERO_OR_MORE, 1.0))?,
        bias_rate: table.find("bias_rate").map_or(Ok(default.bias_rate), |e| e.single(ZERO_OR_MORE, 1.0))?,
        decay: table.find("decay").map(|e| e.single(ZERO_OR_MORE, 0.0005)).transpose()?,
    })
}

fn init(entry: Entry<'_>) -> Result<Init> {
    if entry.is_table() {
        let table = entry.table()?.only(INIT)?;
        return Ok(Init::Normal(table.get("normal", "0.01")?.number(0.0..=1e3, 0.01)?));
    }
    entry.choice(&[("he", Init::He), ("fan-in", Init::FanIn)]).map_err(|error| {
        error.help("write `init = \"he\"`, `init = \"fan-in\"` or `init = { normal = 0.01 }`")
    })
}
