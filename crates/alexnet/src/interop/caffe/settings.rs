//! The settings of layers, checked.

use std::ops::RangeInclusive;

use super::message::Message;
use super::nodes::Node;
use super::operation::{ConvOperation, PoolOperation};
use crate::net::PoolKind;

/// Sides and strides, in pixels.
const SIDE: RangeInclusive<usize> = 1..=4096;

/// The settings of a layer, and what recipes lack of them.
pub(super) struct Settings<'s, 'm> {
    pub(super) node: &'s Node<'m>,
    pub(super) problems: &'s mut Vec<String>,
}

impl<'m> Settings<'_, 'm> {
    /// Returns the settings of a type of layers.
    pub(super) fn message(&self, name: &str) -> Option<&'m Message> {
        self.node.message.message(name)
    }

    /// Adds a problem.
    pub(super) fn problem(&mut self, what: &str) {
        let line = self.node.line.map_or(String::new(), |line| format!("line {line}, "));
        self.problems.push(format!("{line}layer {}: {what}", self.node.shown()));
    }

    /// Adds a problem unless a number has the only value that recipes have.
    pub(super) fn expect(&mut self, message: &str, name: &str, only: f64) {
        if let Some(value) = self.message(message).and_then(|message| message.float(name))
            && value != only
        {
            self.problem(&format!("`{name}` {value}, expected {only}"));
        }
    }

    /// Adds a problem unless an integer has the only value that recipes have.
    pub(super) fn expect_int(&mut self, message: &str, name: &str, only: i64) {
        if let Some(value) = self.message(message).and_then(|message| message.int(name))
            && value != only
        {
            self.problem(&format!("`{name}` {value}, expected {only}"));
        }
    }

    /// Returns an integer in `range`, or adds a problem. Without a default it must be set.
    pub(super) fn integer(
        &mut self,
        message: Option<&Message>,
        name: &str,
        default: Option<usize>,
        range: RangeInclusive<usize>,
    ) -> usize {
        let (low, high) = (*range.start(), *range.end());
        match (message.and_then(|message| message.int(name)), default) {
            (Some(value), _) => {
                usize::try_from(value).ok().filter(|value| range.contains(value)).unwrap_or_else(|| {
                    self.problem(&format!("`{name}` {value}, expected {low} to {high}"));
                    low
                })
            }
            (None, Some(default)) => default,
            (None, None) => {
                self.problem(&format!("`{name}` is missing, expected {low} to {high}"));
                low
            }
        }
    }

    /// Returns a length that is given once, once for each direction, or as height and width. Recipes have squares.
    fn square(
        &mut self,
        message: Option<&Message>,
        names: [&'static str; 3],
        default: Option<usize>,
        range: RangeInclusive<usize>,
    ) -> usize {
        let [both, height, width] = names;
        let mut values = message.map_or(Vec::new(), |message| message.ints(both));
        for name in [height, width] {
            values.extend(message.and_then(|message| message.int(name)));
        }
        let one_side = message.is_some_and(|m| m.int(height).is_some() != m.int(width).is_some());
        if values.iter().any(|value| *value != values[0]) || one_side {
            self.problem(&format!("`{both}` differs between rows and columns, expected a square"));
            return *range.start();
        }
        let (low, high) = (*range.start(), *range.end());
        match (values.first(), default) {
            (Some(&value), _) => {
                usize::try_from(value).ok().filter(|value| range.contains(value)).unwrap_or_else(|| {
                    self.problem(&format!("`{both}` {value}, expected {low} to {high}"));
                    low
                })
            }
            (None, Some(default)) => default,
            (None, None) => {
                self.problem(&format!("`{both}` is missing, expected {low} to {high}"));
                low
            }
        }
    }
}

pub(super) fn conv(settings: &mut Settings<'_, '_>) -> ConvOperation {
    let param = settings.message("convolution_param");
    settings.expect_int("convolution_param", "axis", 1);
    if let Some(dilation) =
        param.and_then(|param| param.ints("dilation").into_iter().find(|value| *value != 1))
    {
        settings.problem(&format!("`dilation` {dilation}, expected 1"));
    }
    ConvOperation {
        outputs: settings.integer(param, "num_output", None, 1..=1 << 20),
        kernel: settings.square(param, ["kernel_size", "kernel_h", "kernel_w"], None, SIDE),
        stride: settings.square(param, ["stride", "stride_h", "stride_w"], Some(1), SIDE),
        pad: settings.square(param, ["pad", "pad_h", "pad_w"], Some(0), 0..=4096),
        groups: settings.integer(param, "group", Some(1), 1..=1 << 20),
        has_biases: param.and_then(|param| param.flag("bias_term")).unwrap_or(true),
    }
}

pub(super) fn pool(settings: &mut Settings<'_, '_>) -> PoolOperation {
    let param = settings.message("pooling_param");
    let pad = settings.square(param, ["pad", "pad_h", "pad_w"], Some(0), 0..=4096);
    if pad != 0 {
        settings.problem(&format!("`pad` {pad}, expected 0: recipes have no padding in pooling"));
    }
    let kind = match param.and_then(|param| param.choice("pool")) {
        Some("STOCHASTIC") => {
            settings.problem("`pool` STOCHASTIC, expected MAX or AVE");
            PoolKind::Max
        }
        Some("AVE") => PoolKind::Average,
        Some(_) | None => PoolKind::Max,
    };
    let is_global = param.and_then(|param| param.flag("global_pooling")).unwrap_or(false);
    let kernel =
        (!is_global).then(|| settings.square(param, ["kernel_size", "kernel_h", "kernel_w"], None, SIDE));
    PoolOperation {
        kind,
        kernel,
        stride: settings.square(param, ["stride", "stride_h", "stride_w"], Some(1), SIDE),
        rounds_up: param.and_then(|param| param.choice("round_mode")) != Some("FLOOR"),
    }
}
