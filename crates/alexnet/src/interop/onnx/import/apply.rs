//! What an operator computes from its inputs: a constant, or a tensor that depends on the images.

use super::array::{FloatArray, Size};
use super::constants::constant;
use super::operator::{Arithmetic, Operator, PadAttributes, SliceAttributes, is_float};
use super::problem::Supported;
use super::signal::{Origin, Pixels, SignalId, Step};
use super::state::{State, Value};
use crate::interop::onnx::proto::{NodeProto, data_type};

/// What a node computes: a value for each of its first outputs.
pub(super) fn apply<'a>(
    state: &mut State<'a>,
    node: &'a NodeProto,
    operator: &Operator<'a>,
    inputs: &[Value<'a>],
) -> Supported<Vec<Value<'a>>> {
    if let Some(value) = constant(state, operator, inputs)? {
        return Ok(vec![value]);
    }
    if let (Operator::Split { axis, sizes }, Some(&Value::Signal(x))) = (operator, inputs.first()) {
        let sizes = match (sizes, inputs.get(1)) {
            (Some(sizes), _) => sizes.clone(),
            (None, Some(sizes)) => state.known_sizes(sizes)?,
            (None, None) => state.equal_parts(x, *axis, node.output.len())?,
        };
        return Ok(state.split(x, *axis, &sizes)?.into_iter().map(Value::Signal).collect());
    }
    match inputs {
        [Value::Signal(x), rest @ ..] => {
            let is_read_elsewhere =
                state.readers.get(node.input[0].as_str()).is_some_and(|&readers| readers > 1);
            let input = Input { x: *x, is_read_elsewhere };
            of_signal(state, operator, input, inputs, rest).map(|id| vec![Value::Signal(id)])
        }
        [first, Value::Signal(x)] => {
            let is_read_elsewhere =
                state.readers.get(node.input[1].as_str()).is_some_and(|&readers| readers > 1);
            let input = Input { x: *x, is_read_elsewhere };
            of_second(state, operator, input, first).map(|id| vec![Value::Signal(id)])
        }
        _ => {
            let shown: Vec<String> = inputs.iter().map(Value::shown).collect();
            Err(format!("its inputs are {}, which is not supported", shown.join(", ")))
        }
    }
}

/// A signal that a node reads.
#[derive(Clone, Copy)]
struct Input {
    x: SignalId,
    is_read_elsewhere: bool,
}

/// What a node computes whose first input is a signal.
fn of_signal<'a>(
    state: &mut State<'a>,
    operator: &Operator<'a>,
    Input { x, is_read_elsewhere }: Input,
    inputs: &[Value<'a>],
    rest: &[Value<'a>],
) -> Supported<SignalId> {
    match operator {
        Operator::Conv { window, groups } => state.conv(window, *groups, x, inputs),
        Operator::Pool(kind, attributes) => state.pool(*kind, attributes, x),
        Operator::GlobalAverage { axes, flat } => {
            let axes = match (axes, rest) {
                (Some(axes), _) => axes.clone(),
                (None, [axes]) => state.known_sizes(axes)?,
                (None, _) => return Err("a mean over all axes".into()),
            };
            state.global_average(x, &axes, *flat)
        }
        Operator::Activation(function) => Ok(state.activation(*function, x)),
        Operator::Lrn { size, alpha, beta, k } => {
            state.has_lrn = true;
            state.lrn(x, *size, [*alpha, *beta, *k])
        }
        Operator::Gemm { transposed: [true, _], .. } => Err("transA is 1, expected 0".into()),
        Operator::Gemm { alpha, beta, transposed: [false, transposed] } => {
            let weights = state.floats(rest.first().unwrap_or(&Value::Absent))?;
            let bias = rest.get(1).map(|value| (value, *beta));
            state.fully_connected(x, &weights, *transposed, *alpha, bias)
        }
        Operator::MatMul => {
            let weights = state.floats(rest.first().unwrap_or(&Value::Absent))?;
            state.fully_connected(x, &weights, false, 1.0, None)
        }
        Operator::BatchNormalization { epsilon } => {
            state.batch_normalization(x, is_read_elsewhere, *epsilon, inputs)
        }
        Operator::Arithmetic(operator) => match rest {
            [Value::Signal(y)] => two_signals(state, *operator, x, *y),
            [by] => {
                let by = state.floats(by)?;
                with_constant(state, *operator, x, is_read_elsewhere, &by)
            }
            _ => Err(format!("{} inputs, expected 2", inputs.len())),
        },
        Operator::Dropout { ratio } => {
            let given = rest.first().filter(|value| !matches!(value, Value::Absent));
            let given = given.map(|value| state.floats(value)).transpose()?;
            if let Some(training) = rest.get(1)
                && state.known_sizes(training)? != [0]
            {
                return Err("training_mode is true, expected a graph for inference".into());
            }
            state.dropout(x, ratio.or(given.and_then(|ratio| ratio.scalar())).unwrap_or(0.5))
        }
        Operator::Softmax { axis, is_log } => {
            let signal = &state.signals[x];
            let (shape, maps, rank) = (signal.shape.clone(), signal.maps, signal.shape.len() as i64);
            let axis = if *axis < 0 { axis + rank } else { *axis };
            if axis != 1 || maps.pixels() != 1 {
                return Err(format!("over axis {axis} of a tensor of shape {}", signal.shown()));
            }
            let name = if *is_log { "log-softmax" } else { "softmax" };
            state.note(format!("the {name} at the end is left out: outputs are logits here"));
            Ok(state.add(shape, maps, Origin::Probabilities(x)))
        }
        Operator::Identity => Ok(x),
        Operator::Cast { to } if is_float(*to) => {
            if !matches!(*to, data_type::FLOAT) {
                state.note("casts to floats of other sizes are left out: all is computed in float32");
            }
            Ok(x)
        }
        Operator::Cast { .. } => Err("a cast to something else than floats".into()),
        Operator::Flatten { axis } => state.flattened(x, *axis),
        Operator::Reshape { keeps_zeros } => {
            let to = state.sizes(rest.first().unwrap_or(&Value::Absent))?;
            state.reshaped(x, &to.data, *keeps_zeros)
        }
        Operator::Squeeze(axes) => {
            let axes = match (axes, rest) {
                (Some(axes), _) => Some(axes.clone()),
                (None, [axes]) => Some(state.known_sizes(axes)?),
                (None, _) => None,
            };
            state.squeezed(x, axes.as_deref())
        }
        Operator::Unsqueeze(axes) => {
            let axes = match axes {
                Some(axes) => axes.clone(),
                None => state.known_sizes(rest.first().unwrap_or(&Value::Absent))?,
            };
            state.unsqueezed(x, &axes)
        }
        Operator::Transpose(order) => state.exchanged_axes(x, order.as_deref()),
        Operator::Concat { axis: 1 | -3 } => {
            let signal = |value: &Value<'a>| match value {
                Value::Signal(id) => Ok(*id),
                other => Err(format!("it joins {} with tensors that depend on the images", other.shown())),
            };
            let parts = inputs.iter().map(signal).collect::<Supported<Vec<_>>>()?;
            state.joined(&parts)
        }
        Operator::Concat { axis } => Err(format!("axis is {axis}, expected 1, the channels")),
        Operator::Slice(attributes) => {
            let (slice, steps) = slice_of(state, attributes.as_ref(), rest)?;
            state.sliced(x, &slice, steps.as_deref())
        }
        Operator::Pad(attributes) => {
            let PadAttributes { pads, value } = pad_of(state, x, attributes.as_ref(), rest)?;
            state.padded(x, &pads, value)
        }
        Operator::Quantize => quantized(state, x, rest),
        Operator::Dequantize { .. } => Ok(x),
        Operator::Equal
        | Operator::Neg
        | Operator::Constant(_)
        | Operator::ConstantOfShape(_)
        | Operator::Shape { .. }
        | Operator::Gather { .. }
        | Operator::Split { .. }
        | Operator::If { .. } => Err("a computation with a tensor that depends on the images".into()),
    }
}

/// What a node computes whose second input is a signal, and the first a constant.
fn of_second<'a>(
    state: &mut State<'a>,
    operator: &Operator<'a>,
    Input { x, is_read_elsewhere }: Input,
    first: &Value<'a>,
) -> Supported<SignalId> {
    match operator {
        Operator::Arithmetic(operator @ (Arithmetic::Add | Arithmetic::Mul)) => {
            let by = state.floats(first)?;
            with_constant(state, *operator, x, is_read_elsewhere, &by)
        }
        Operator::MatMul => {
            let weights = state.floats(first)?;
            let [positions, groups, outputs, _] = weights.shape.as_slice() else {
                return Err(
                    "a constant times a tensor that depends on the images, expected it the other way round"
                        .into(),
                );
            };
            let known = |size: &usize| Size::Known(*size as i64);
            let shape = vec![known(positions), known(groups), known(outputs), Size::IMAGES];
            Ok(state.add_step(Step::Product { of: x, weights }, x, shape))
        }
        _ => Err("its first input is a constant, expected a tensor that depends on the images".into()),
    }
}

fn two_signals(state: &mut State<'_>, operator: Arithmetic, x: SignalId, y: SignalId) -> Supported<SignalId> {
    let is_power = |id: SignalId| matches!(state.signals[id].origin, Origin::Step(Step::Power { .. }));
    match operator {
        Arithmetic::Mul if x == y => {
            let shape = state.signals[x].shape.clone();
            Ok(state.add_step(Step::Square(x), x, shape))
        }
        Arithmetic::Mul if is_power(x) => state.normalized(y, x, false),
        Arithmetic::Mul => state.normalized(x, y, false),
        Arithmetic::Div => state.normalized(x, y, true),
        Arithmetic::Add | Arithmetic::Sub | Arithmetic::Pow => {
            Err("it computes with two tensors that depend on the images: branches are not supported".into())
        }
    }
}

fn with_constant(
    state: &mut State<'_>,
    operator: Arithmetic,
    x: SignalId,
    is_read_elsewhere: bool,
    by: &FloatArray,
) -> Supported<SignalId> {
    if let Origin::Pixels(pixels) = &state.signals[x].origin {
        let pixels = preprocessed(pixels, operator, by)?;
        return Ok(state.add_pixels(pixels));
    }
    let shape = state.signals[x].shape.clone();
    let mapped = |of: fn(f32) -> f32| {
        FloatArray::new(by.shape.clone(), by.data.iter().map(|&value| of(value)).collect())
    };
    match (operator, by.scalar()) {
        (Arithmetic::Add, _) => state.shifted(x, is_read_elsewhere, by),
        (Arithmetic::Sub, _) => state.shifted(x, is_read_elsewhere, &mapped(|value| -value)),
        (Arithmetic::Mul, _) => state.scaled(x, is_read_elsewhere, by),
        (Arithmetic::Div, _) => state.scaled(x, is_read_elsewhere, &mapped(f32::recip)),
        (Arithmetic::Pow, Some(2.0)) => Ok(state.add_step(Step::Square(x), x, shape)),
        (Arithmetic::Pow, Some(exponent)) => Ok(state.add_step(Step::Power { of: x, exponent }, x, shape)),
        (Arithmetic::Pow, None) => Err(format!("exponents of shape {:?}", by.shape)),
    }
}

/// Images after one more step of preprocessing.
fn preprocessed(pixels: &Pixels, operator: Arithmetic, by: &FloatArray) -> Supported<Pixels> {
    match (operator, &pixels.mean, &pixels.scale) {
        (Arithmetic::Sub, None, None) => Ok(Pixels { mean: Some(by.clone()), ..pixels.clone() }),
        (Arithmetic::Mul, _, None) => Ok(Pixels { scale: Some(by.clone()), ..pixels.clone() }),
        _ => Err("preprocessing other than a difference and a factor".into()),
    }
}

/// Rounding to 8 bits, which is left out; a zero point at the end of the range clamps like a ReLU.
fn quantized(state: &mut State<'_>, x: SignalId, rest: &[Value<'_>]) -> Supported<SignalId> {
    state.has_bytes = true;
    state.note("activations are not rounded to 8 bits: the network is computed in float32 here");
    let lowest = match rest.get(1) {
        None => true,
        Some(Value::Stored(zero)) => {
            let zero = state.tensors.quantized(zero)?;
            let lowest = if zero.is_signed { -128.0 } else { 0.0 };
            zero.array.scalar().ok_or("a zero point for each channel of activations")? == lowest
        }
        Some(other) => return Err(format!("its zero point is {}", other.shown())),
    };
    if lowest && !state.is_non_negative(x) {
        state.note("8-bit activations that cannot be negative became a ReLU");
        return Ok(state.activation(crate::net::Activation::Relu, x));
    }
    Ok(x)
}

fn slice_of<'a>(
    state: &State<'a>,
    attributes: Option<&SliceAttributes>,
    rest: &[Value<'a>],
) -> Supported<(SliceAttributes, Option<Vec<i64>>)> {
    if let Some(attributes) = attributes {
        return Ok((attributes.clone(), None));
    }
    let list = |at: usize| match rest.get(at) {
        None | Some(Value::Absent) => Ok(None),
        Some(value) => state.known_sizes(value).map(Some),
    };
    let needed = |at: usize| list(at)?.ok_or_else(|| "its limits are missing".to_owned());
    Ok((SliceAttributes { starts: needed(0)?, ends: needed(1)?, axes: list(2)? }, list(3)?))
}

fn pad_of<'a>(
    state: &State<'a>,
    x: SignalId,
    attributes: Option<&PadAttributes>,
    rest: &[Value<'a>],
) -> Supported<PadAttributes> {
    if let Some(attributes) = attributes {
        return Ok(attributes.clone());
    }
    let pads = state.known_sizes(rest.first().unwrap_or(&Value::Absent))?;
    let value = match rest.get(1) {
        None | Some(Value::Absent) => 0.0,
        Some(value) => state.floats(value)?.scalar().ok_or("more than one value")?,
    };
    let Some(axes) = rest.get(2) else { return Ok(PadAttributes { pads, value }) };
    let axes = state.known_sizes(axes)?;
    let rank = state.signals[x].shape.len();
    if pads.len() != 2 * axes.len() {
        return Err(format!("pads is {pads:?} for the axes {axes:?}"));
    }
    let mut all = vec![0; 2 * rank];
    for (at, &axis) in axes.iter().enumerate() {
        let axis = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        let axis = usize::try_from(axis).ok().filter(|&axis| axis < rank);
        let axis = axis.ok_or_else(|| format!("axes {axes:?} of {rank} dimensions"))?;
        (all[axis], all[rank + axis]) = (pads[at], pads[axes.len() + at]);
    }
    Ok(PadAttributes { pads: all, value })
}
