//! Operators with their attributes, whichever version of the operator set they are from.

use super::attributes::Attributes;
use super::problem::Supported;
use crate::interop::onnx::proto::{GraphProto, NodeProto, TensorProto, data_type};
use crate::net::{Activation, PoolKind};

/// An operator with its attributes.
#[derive(Clone, Debug)]
pub(super) enum Operator<'a> {
    Conv {
        window: WindowAttributes,
        groups: usize,
    },
    Pool(PoolKind, PoolAttributes),
    /// The mean of each map; with `flat`, without dimensions of size 1.
    GlobalAverage {
        axes: Option<Vec<i64>>,
        flat: bool,
    },
    Activation(Activation),
    Lrn {
        size: usize,
        alpha: f32,
        beta: f32,
        k: f32,
    },
    Gemm {
        alpha: f32,
        beta: f32,
        transposed: [bool; 2],
    },
    MatMul,
    BatchNormalization {
        epsilon: f32,
    },
    Arithmetic(Arithmetic),
    Equal,
    Neg,
    Dropout {
        ratio: Option<f32>,
    },
    Softmax {
        axis: i64,
        is_log: bool,
    },
    Identity,
    Cast {
        to: i32,
    },
    Constant(ConstantValue<'a>),
    ConstantOfShape(Option<&'a TensorProto>),
    Shape {
        start: i64,
        end: Option<i64>,
    },
    Gather {
        axis: i64,
    },
    Flatten {
        axis: i64,
    },
    Reshape {
        keeps_zeros: bool,
    },
    /// Axes that are not an attribute are an input.
    Squeeze(Option<Vec<i64>>),
    Unsqueeze(Option<Vec<i64>>),
    Transpose(Option<Vec<usize>>),
    Concat {
        axis: i64,
    },
    Split {
        axis: i64,
        sizes: Option<Vec<i64>>,
    },
    Slice(Option<SliceAttributes>),
    Pad(Option<PadAttributes>),
    Quantize,
    Dequantize {
        axis: i64,
    },
    If {
        branches: [&'a GraphProto; 2],
    },
}

/// An operator of two arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
}

/// The value of a `Constant`.
#[derive(Clone, Debug)]
pub(super) enum ConstantValue<'a> {
    Tensor(&'a TensorProto),
    Floats(Vec<usize>, Vec<f32>),
    Integers(Vec<usize>, Vec<i64>),
}

/// A sliding window along each axis of maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WindowAttributes {
    /// `None`: that of the weights.
    pub(super) kernel: Option<Vec<usize>>,
    /// `None`: 1 along each axis.
    pub(super) strides: Option<Vec<usize>>,
    pub(super) padding: Padding,
}

/// The padding of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// Before and after each axis; no numbers, none.
    Explicit(Vec<usize>),
    /// As many windows as strides fit, with the odd pixel after the axis, or before it.
    Same { odd_after: bool },
}

/// Pooling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PoolAttributes {
    pub(super) window: WindowAttributes,
    pub(super) rounds_up: bool,
    /// Of an average: whether padding counts as zeros.
    pub(super) counts_padding: bool,
}

/// The attributes of `Slice` before version 10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SliceAttributes {
    pub(super) starts: Vec<i64>,
    pub(super) ends: Vec<i64>,
    pub(super) axes: Option<Vec<i64>>,
}

/// The attributes of `Pad` before version 11.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PadAttributes {
    pub(super) pads: Vec<i64>,
    pub(super) value: f32,
}

impl<'a> Operator<'a> {
    /// Reads the operator of a node, in the version of an operator set.
    pub(super) fn of(node: &'a NodeProto, opset: i64) -> Supported<Self> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(format!("operators of the domain {:?} are unknown", node.domain));
        }
        let outputs = match node.op_type.as_str() {
            "Split" => usize::MAX,
            // Masks and statistics may be named, as long as nothing reads them.
            "Dropout" | "BatchNormalization" | "MaxPool" => 5,
            _ => 1,
        };
        if node.output.is_empty() || node.output.len() > outputs {
            return Err(format!("{} outputs, expected {}", node.output.len(), outputs.min(1)));
        }
        Self::parse(&node.op_type, opset, Attributes::of(node))
    }

    fn parse(operator: &str, opset: i64, attributes: Attributes<'a>) -> Supported<Self> {
        Ok(match operator {
            "Conv" => conv(attributes)?,
            "MaxPool" => Self::Pool(PoolKind::Max, pool(attributes)?),
            "AveragePool" => Self::Pool(PoolKind::Average, pool(attributes)?),
            "GlobalAveragePool" => {
                attributes.only(&[])?;
                Self::GlobalAverage { axes: Some(vec![2, 3]), flat: false }
            }
            "ReduceMean" => {
                let attributes = attributes.only(&["axes", "keepdims", "noop_with_empty_axes"])?;
                let axes = attributes.ints("axes").map(<[i64]>::to_vec);
                Self::GlobalAverage { axes, flat: attributes.int("keepdims", 1) == 0 }
            }
            "Relu" => plain(attributes, Self::Activation(Activation::Relu))?,
            "Tanh" => plain(attributes, Self::Activation(Activation::Tanh))?,
            "Sigmoid" => plain(attributes, Self::Activation(Activation::Logistic))?,
            "LRN" => lrn(attributes)?,
            "Gemm" => {
                let attributes = attributes.only(&["alpha", "beta", "transA", "transB"])?;
                Self::Gemm {
                    alpha: attributes.float("alpha", 1.0),
                    beta: attributes.float("beta", 1.0),
                    transposed: [attributes.flag("transA")?, attributes.flag("transB")?],
                }
            }
            "MatMul" => plain(attributes, Self::MatMul)?,
            "BatchNormalization" => {
                let attributes = attributes.only(&["epsilon", "momentum", "spatial", "training_mode"])?;
                attributes.must_be("spatial", 1)?;
                attributes.must_be("training_mode", 0)?;
                Self::BatchNormalization { epsilon: attributes.float("epsilon", 1e-5) }
            }
            "Add" => plain(attributes, Self::Arithmetic(Arithmetic::Add))?,
            "Sub" => plain(attributes, Self::Arithmetic(Arithmetic::Sub))?,
            "Mul" => plain(attributes, Self::Arithmetic(Arithmetic::Mul))?,
            "Div" => plain(attributes, Self::Arithmetic(Arithmetic::Div))?,
            "Pow" => plain(attributes, Self::Arithmetic(Arithmetic::Pow))?,
            "Equal" => plain(attributes, Self::Equal)?,
            "Neg" => plain(attributes, Self::Neg)?,
            "Dropout" => {
                let attributes = attributes.only(&["ratio", "seed"])?;
                Self::Dropout { ratio: attributes.has("ratio").then(|| attributes.float("ratio", 0.5)) }
            }
            "Softmax" | "LogSoftmax" => {
                // Before version 13, over all axes from the second on.
                let default = if opset < 13 { 1 } else { -1 };
                let axis = attributes.only(&["axis"])?.int("axis", default);
                Self::Softmax { axis, is_log: operator == "LogSoftmax" }
            }
            "Identity" => plain(attributes, Self::Identity)?,
            "Cast" => {
                let to = attributes.only(&["to", "saturate", "round_mode"])?.int("to", 0);
                Self::Cast { to: i32::try_from(to).unwrap_or(0) }
            }
            "QuantizeLinear" => {
                let known = ["axis", "saturate", "block_size", "output_dtype", "precision"];
                attributes.only(&known)?.must_be("block_size", 0)?;
                Self::Quantize
            }
            "DequantizeLinear" => {
                let attributes = attributes.only(&["axis", "block_size", "output_dtype"])?;
                attributes.must_be("block_size", 0)?;
                Self::Dequantize { axis: attributes.int("axis", 1) }
            }
            "If" => {
                let attributes = attributes.only(&["then_branch", "else_branch"])?;
                let branch = |name| attributes.graph(name).ok_or_else(|| format!("{name} is missing"));
                Self::If { branches: [branch("then_branch")?, branch("else_branch")?] }
            }
            other => return arrangement(other, attributes),
        })
    }
}

/// An operator that computes nothing: constants, sizes, and arrays in another arrangement.
fn arrangement<'a>(operator: &str, attributes: Attributes<'a>) -> Supported<Operator<'a>> {
    let list = |attributes: Attributes<'_>, name: &str| attributes.ints(name).map(<[i64]>::to_vec);
    Ok(match operator {
        "Constant" => Operator::Constant(constant(attributes)?),
        "ConstantOfShape" => Operator::ConstantOfShape(attributes.only(&["value"])?.tensor("value")),
        "Shape" => {
            let attributes = attributes.only(&["start", "end"])?;
            let end = attributes.has("end").then(|| attributes.int("end", 0));
            Operator::Shape { start: attributes.int("start", 0), end }
        }
        "Gather" => Operator::Gather { axis: attributes.only(&["axis"])?.int("axis", 0) },
        "Flatten" => Operator::Flatten { axis: attributes.only(&["axis"])?.int("axis", 1) },
        "Reshape" => Operator::Reshape { keeps_zeros: attributes.only(&["allowzero"])?.flag("allowzero")? },
        "Squeeze" => Operator::Squeeze(list(attributes.only(&["axes"])?, "axes")),
        "Unsqueeze" => Operator::Unsqueeze(list(attributes.only(&["axes"])?, "axes")),
        "Transpose" => Operator::Transpose(attributes.only(&["perm"])?.sizes("perm", 0)?),
        "Concat" => Operator::Concat { axis: attributes.only(&["axis"])?.int("axis", 1) },
        "Split" => {
            let attributes = attributes.only(&["axis", "split", "num_outputs"])?;
            Operator::Split { axis: attributes.int("axis", 0), sizes: list(attributes, "split") }
        }
        "Slice" => {
            let attributes = attributes.only(&["starts", "ends", "axes"])?;
            let ends = list(attributes, "starts").zip(list(attributes, "ends"));
            let axes = list(attributes, "axes");
            Operator::Slice(ends.map(|(starts, ends)| SliceAttributes { starts, ends, axes }))
        }
        "Pad" => {
            let attributes = attributes.only(&["mode", "pads", "value"])?;
            match attributes.text("mode", "constant") {
                "constant" => {}
                other => return Err(format!("mode is {other:?}, expected constant")),
            }
            let value = attributes.float("value", 0.0);
            Operator::Pad(list(attributes, "pads").map(|pads| PadAttributes { pads, value }))
        }
        "Loop" | "Scan" => return Err("loops are not supported".into()),
        _ => return Err("the operator is not supported".into()),
    })
}

fn plain<'a>(attributes: Attributes<'_>, operator: Operator<'a>) -> Supported<Operator<'a>> {
    attributes.only(&[]).map(|_| operator)
}

fn conv(attributes: Attributes<'_>) -> Supported<Operator<'_>> {
    let known = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
    let attributes = attributes.only(&known)?;
    let groups = attributes.int("group", 1);
    let groups = usize::try_from(groups).ok().filter(|&groups| groups > 0);
    let groups = groups.ok_or_else(|| format!("group is {}", attributes.int("group", 1)))?;
    Ok(Operator::Conv { window: window(attributes)?, groups })
}

fn pool(attributes: Attributes<'_>) -> Supported<PoolAttributes> {
    let attributes = attributes.only(&[
        "auto_pad",
        "ceil_mode",
        "count_include_pad",
        "dilations",
        "kernel_shape",
        "pads",
        "storage_order",
        "strides",
    ])?;
    Ok(PoolAttributes {
        window: window(attributes)?,
        rounds_up: attributes.flag("ceil_mode")?,
        counts_padding: attributes.flag("count_include_pad")?,
    })
}

fn window(attributes: Attributes<'_>) -> Supported<WindowAttributes> {
    attributes.all("dilations", 1)?;
    let pads = attributes.sizes("pads", 0)?;
    let padding = match (attributes.text("auto_pad", "NOTSET"), pads) {
        ("NOTSET", pads) => Padding::Explicit(pads.unwrap_or_default()),
        ("VALID", _) => Padding::Explicit(Vec::new()),
        ("SAME_UPPER", _) => Padding::Same { odd_after: true },
        ("SAME_LOWER", _) => Padding::Same { odd_after: false },
        (other, _) => return Err(format!("auto_pad is {other:?}")),
    };
    let (kernel, strides) = (attributes.sizes("kernel_shape", 1)?, attributes.sizes("strides", 1)?);
    Ok(WindowAttributes { kernel, strides, padding })
}

fn lrn(attributes: Attributes<'_>) -> Supported<Operator<'_>> {
    let attributes = attributes.only(&["alpha", "beta", "bias", "size"])?;
    let size = attributes.int("size", 0);
    match usize::try_from(size) {
        Ok(size @ 1..=4096) if size % 2 == 1 => Ok(Operator::Lrn {
            size,
            alpha: attributes.float("alpha", 1e-4),
            beta: attributes.float("beta", 0.75),
            k: attributes.float("bias", 1.0),
        }),
        _ => Err(format!(
            "size is {size}, expected an odd number: windows of an even size differ between programs"
        )),
    }
}

fn constant(attributes: Attributes<'_>) -> Supported<ConstantValue<'_>> {
    let attributes = attributes.only(&[
        "value",
        "value_float",
        "value_floats",
        "value_int",
        "value_ints",
        "value_string",
    ])?;
    if let Some(tensor) = attributes.tensor("value") {
        Ok(ConstantValue::Tensor(tensor))
    } else if let Some(values) = attributes.floats("value_floats") {
        Ok(ConstantValue::Floats(vec![values.len()], values.to_vec()))
    } else if let Some(values) = attributes.ints("value_ints") {
        Ok(ConstantValue::Integers(vec![values.len()], values.to_vec()))
    } else if attributes.has("value_float") {
        Ok(ConstantValue::Floats(Vec::new(), vec![attributes.float("value_float", 0.0)]))
    } else if attributes.has("value_int") {
        Ok(ConstantValue::Integers(Vec::new(), vec![attributes.int("value_int", 0)]))
    } else {
        Err("a constant that is neither numbers nor an array".into())
    }
}

/// Whether an element type is one of floats.
pub(super) fn is_float(element: i32) -> bool {
    [data_type::FLOAT, data_type::FLOAT16, data_type::DOUBLE, data_type::BFLOAT16].contains(&element)
}
