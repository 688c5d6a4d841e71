//! Operators on constants: sizes, and weights in another arrangement.

use super::array::{self, FloatArray, Size, SizeArray, is_permutation};
use super::integers;
use super::operator::{Arithmetic, ConstantValue, Operator, SliceAttributes, is_float};
use super::problem::Supported;
use super::state::{State, Value};
use crate::interop::onnx::proto::data_type;

/// What an operator computes from constants; `None` if an input depends on the images, or if it is no operator on constants.
pub(super) fn constant<'a>(
    state: &State<'a>,
    operator: &Operator<'a>,
    inputs: &[Value<'a>],
) -> Supported<Option<Value<'a>>> {
    let present: Vec<&Value<'a>> = inputs.iter().filter(|value| !matches!(value, Value::Absent)).collect();
    match (operator, present.as_slice()) {
        (Operator::Constant(value), _) => Ok(Some(of_node(value))),
        (Operator::Shape { start, end }, [Value::Signal(x)]) => {
            Ok(Some(Value::Sizes(state.shape_of(*x, *start, *end))))
        }
        (Operator::Dequantize { axis }, [weights @ Value::Stored(_), ..]) => {
            dequantized(state, *axis, weights, inputs).map(Some)
        }
        (Operator::Identity, [value @ (Value::Stored(_) | Value::Floats(_) | Value::Sizes(_))]) => {
            Ok(Some((*value).clone()))
        }
        (_, all) if !all.is_empty() && all.iter().all(|value| value.is_sizes()) => {
            sizes(state, operator, inputs)
        }
        (_, [first, rest @ ..]) if first.is_floats() && rest.iter().all(|value| value.is_sizes()) => {
            floats(state, operator, first, rest)
        }
        _ => Ok(None),
    }
}

fn of_node<'a>(value: &ConstantValue<'a>) -> Value<'a> {
    match value {
        ConstantValue::Tensor(tensor) => Value::Stored(tensor),
        ConstantValue::Floats(shape, values) => Value::Floats(FloatArray::new(shape.clone(), values.clone())),
        ConstantValue::Integers(shape, values) => {
            let data = values.iter().map(|&value| Size::Known(value)).collect();
            Value::Sizes(SizeArray { shape: shape.clone(), data })
        }
    }
}

/// What an operator computes from sizes.
fn sizes<'a>(
    state: &State<'a>,
    operator: &Operator<'a>,
    inputs: &[Value<'a>],
) -> Supported<Option<Value<'a>>> {
    let at = |at: usize| state.sizes(inputs.get(at).unwrap_or(&Value::Absent));
    let known = |at: usize| state.known_sizes(inputs.get(at).unwrap_or(&Value::Absent));
    let result = match operator {
        Operator::Gather { axis } => integers::gather(&at(0)?, &at(1)?, *axis)?,
        Operator::Concat { axis: 0 | -1 } => {
            integers::concat(&inputs.iter().map(|input| state.sizes(input)).collect::<Supported<Vec<_>>>()?)?
        }
        Operator::Slice(attributes) => {
            let (slice, step) = match attributes {
                Some(attributes) => (attributes.clone(), 1),
                None => {
                    let axes = inputs.get(3).map(|axes| state.known_sizes(axes)).transpose()?;
                    let step = match inputs.get(4) {
                        None => 1,
                        Some(steps) => *state.known_sizes(steps)?.first().unwrap_or(&1),
                    };
                    (SliceAttributes { starts: known(1)?, ends: known(2)?, axes }, step)
                }
            };
            integers::slice(&at(0)?, &slice, step)?
        }
        Operator::Reshape { .. } => integers::reshape(at(0)?, &known(1)?)?,
        Operator::Transpose(order) => integers::transposed(&at(0)?, order.as_deref())?,
        Operator::Squeeze(_) => {
            let array = at(0)?;
            match array.data.as_slice() {
                [single] => SizeArray::single(*single),
                _ => return Err("sizes without an axis".into()),
            }
        }
        Operator::Unsqueeze(_) => {
            let array = at(0)?;
            match array.data.as_slice() {
                [single] => SizeArray::list(vec![*single]),
                _ => return Err("sizes with one more axis".into()),
            }
        }
        Operator::Cast { to } if [data_type::INT32, data_type::INT64].contains(to) => at(0)?,
        Operator::Cast { to: data_type::BOOL } => {
            let truth = |size: &Size| match size {
                Size::Known(value) => Size::Known((*value != 0).into()),
                Size::Images(_) => Size::Known(1),
            };
            let array = at(0)?;
            SizeArray { data: array.data.iter().map(truth).collect(), shape: array.shape }
        }
        Operator::Shape { .. } => {
            let shape = at(0)?.shape;
            SizeArray::list(shape.into_iter().map(|size| Size::Known(size as i64)).collect())
        }
        Operator::ConstantOfShape(value) => match value {
            None => return of_shape(&known(0)?, 0.0).map(Some),
            Some(tensor) if is_float(tensor.data_type) => {
                let value = state.tensors.floats(tensor)?.scalar().ok_or("more than one value")?;
                return of_shape(&known(0)?, value).map(Some);
            }
            Some(tensor) => {
                let value = state.tensors.sizes(tensor)?;
                integers::filled(&known(0)?, *value.data.first().ok_or("no value")?)?
            }
        },
        Operator::Arithmetic(operator) => integers::arithmetic(*operator, [&at(0)?, &at(1)?])?,
        Operator::Equal => integers::equal([&at(0)?, &at(1)?])?,
        Operator::Neg => {
            integers::arithmetic(Arithmetic::Sub, [&SizeArray::single(Size::Known(0)), &at(0)?])?
        }
        _ => return Ok(None),
    };
    // A node of a few bytes may stand for thousands of sizes, which are four floats each.
    state.tensors.spend(4 * result.data.len())?;
    Ok(Some(Value::Sizes(result)))
}

/// As many equal floats as the product of the dimensions.
fn of_shape<'a>(shape: &[i64], value: f32) -> Supported<Value<'a>> {
    let SizeArray { shape, data } = integers::filled(shape, Size::Known(0))?;
    Ok(Value::Floats(FloatArray::new(shape, vec![value; data.len()])))
}

/// What an operator makes of a constant array of floats, and sizes.
fn floats<'a>(
    state: &State<'a>,
    operator: &Operator<'a>,
    value: &Value<'a>,
    rest: &[&Value<'a>],
) -> Supported<Option<Value<'a>>> {
    let reshaped = |shape: Vec<usize>, array: FloatArray| FloatArray { shape, data: array.data };
    let array = match operator {
        Operator::Transpose(order) => {
            let array = state.floats(value)?;
            let rank = array.shape.len();
            let order: Vec<usize> = order.clone().unwrap_or_else(|| (0..rank).rev().collect());
            if !is_permutation(&order, rank) {
                return Err(format!("perm is {order:?}, for an array of {rank} dimensions"));
            }
            state.tensors.spend(array.data.len())?;
            array.transposed(&order)
        }
        Operator::Cast { to } if is_float(*to) => state.floats(value)?,
        Operator::Reshape { .. } => {
            let array = state.floats(value)?;
            let to = state.known_sizes(rest.first().copied().unwrap_or(&Value::Absent))?;
            let count = array.data.len() as i64;
            let product =
                |sizes: &[i64]| sizes.iter().try_fold(1_i64, |product, &size| product.checked_mul(size));
            let known: Vec<i64> = to.iter().copied().filter(|&size| size != -1).collect();
            let known = product(&known).filter(|&product| product > 0);
            let inferred = known.map_or(0, |known| count / known);
            let shape: Vec<i64> = to.iter().map(|&size| if size == -1 { inferred } else { size }).collect();
            let sizes: Option<Vec<usize>> = shape.iter().map(|&size| usize::try_from(size).ok()).collect();
            match sizes {
                Some(sizes) if array::count(&sizes) == Some(array.data.len()) => reshaped(sizes, array),
                _ => return Err(format!("a shape of {to:?} for {count} numbers")),
            }
        }
        Operator::Flatten { axis: 1 } => {
            let array = state.floats(value)?;
            let Some((&first, others)) = array.shape.split_first() else { return Ok(None) };
            reshaped(vec![first, others.iter().product()], array)
        }
        Operator::Squeeze(_) => {
            let array = state.floats(value)?;
            reshaped(array.shape.iter().copied().filter(|&size| size != 1).collect(), array)
        }
        _ => return Ok(None),
    };
    Ok(Some(Value::Floats(array)))
}

/// The number of channels that `scales` are for, and how many numbers of each are next to each other: one scale is for all numbers,
/// several are for the channels along an axis.
fn scaled_parts(scales: usize, axis: i64, shape: &[usize]) -> Option<(usize, usize)> {
    if scales == 1 {
        return Some((1, shape.iter().product()));
    }
    let from_start = if axis < 0 { axis.saturating_add(shape.len() as i64) } else { axis };
    let (&channels, inner) = shape.get(usize::try_from(from_start).ok()?..)?.split_first()?;
    (scales == channels && channels > 0).then(|| (channels, inner.iter().product()))
}

/// 8-bit weights, or biases in units of sums, as floats: `(q - zero) * scale`, with one scale or one for each channel.
fn dequantized<'a>(
    state: &State<'a>,
    axis: i64,
    weights: &Value<'a>,
    inputs: &[Value<'a>],
) -> Supported<Value<'a>> {
    let integers = |value: &Value<'a>| match value {
        Value::Stored(tensor) => Ok(state.tensors.quantized(tensor)?.array),
        other => Err(format!("its zero point is {}", other.shown())),
    };
    let mut array = integers(weights)?;
    let scale = state.floats(inputs.get(1).unwrap_or(&Value::Absent))?;
    let zeros = match inputs.get(2) {
        None | Some(Value::Absent) => None,
        Some(zeros) => Some(integers(zeros)?),
    };
    let (channels, inner) = scaled_parts(scale.data.len(), axis, &array.shape)
        .filter(|&(channels, _)| zeros.as_ref().is_none_or(|zeros| [1, channels].contains(&zeros.data.len())))
        .ok_or_else(|| format!("scales of shape {:?} for axis {axis} of {:?}", scale.shape, array.shape))?;
    let zero =
        |channel: usize| zeros.as_ref().map_or(0.0, |zeros| zeros.data[channel.min(zeros.data.len() - 1)]);
    state.tensors.spend(array.data.len())?;
    for (at, value) in std::rc::Rc::make_mut(&mut array.data).iter_mut().enumerate() {
        let channel = at / inner.max(1) % channels;
        *value = (*value - zero(channel)) * scale.data[channel];
    }
    Ok(Value::Floats(array))
}
