//! Computations with sizes, as exporters write them: the dimensions of a tensor, some of them, others in their place.

use super::array::{self, Size, SizeArray, is_permutation, transpose};
use super::operator::{Arithmetic, SliceAttributes};
use super::problem::Supported;

/// The most numbers of a result.
const MOST: usize = 4096;

/// `data` along the axis at the positions of `indices`.
pub(super) fn gather(data: &SizeArray, indices: &SizeArray, axis: i64) -> Supported<SizeArray> {
    if data.shape.len() != 1 || !matches!(axis, 0 | -1) {
        return Err("a selection from an array of more than one dimension".into());
    }
    let pick = |&index: &Size| match index {
        Size::Known(index) => {
            let at = if index < 0 { index + data.data.len() as i64 } else { index };
            usize::try_from(at).ok().and_then(|at| data.data.get(at)).copied()
        }
        Size::Images(_) => None,
    };
    let picked: Option<Vec<Size>> = indices.data.iter().map(pick).collect();
    let picked =
        picked.ok_or_else(|| format!("a position beyond an array of {} integers", data.data.len()))?;
    Ok(SizeArray { shape: indices.shape.clone(), data: picked })
}

/// The lists one after the other.
pub(super) fn concat(parts: &[SizeArray]) -> Supported<SizeArray> {
    if parts.iter().any(|part| part.shape.len() != 1) {
        return Err("a concatenation of arrays of more or less than one dimension".into());
    }
    bounded(parts.iter().flat_map(|part| part.data.iter().copied()).take(MOST + 1).collect())
        .map(SizeArray::list)
}

fn bounded<T>(values: Vec<T>) -> Supported<Vec<T>> {
    match values.len() <= MOST {
        true => Ok(values),
        false => Err(format!("more than {MOST} integers")),
    }
}

/// Rows of the first axis, from `starts` to `ends` by `step`.
pub(super) fn slice(data: &SizeArray, slice: &SliceAttributes, step: i64) -> Supported<SizeArray> {
    let SliceAttributes { starts, ends, axes } = slice;
    let ([start], [end], None | Some([0])) = (starts.as_slice(), ends.as_slice(), axes.as_deref()) else {
        return Err("a part of sizes along another axis than the first".into());
    };
    let rows = data.shape.first().copied().ok_or("a part of a single number")? as i64;
    if step == 0 {
        return Err("a step of 0".into());
    }
    let row = data.data.len() / (rows.max(1) as usize);
    let from_end = |at: i64| if at < 0 { at.saturating_add(rows) } else { at };
    let positions: Vec<i64> = match step > 0 {
        true => {
            let (start, end) = (from_end(*start).clamp(0, rows), from_end(*end).clamp(0, rows));
            (start..end).step_by(usize::try_from(step).unwrap_or(usize::MAX)).collect()
        }
        false => {
            let (start, end) = (from_end(*start).clamp(-1, rows - 1), from_end(*end).clamp(-1, rows - 1));
            let step = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
            (end + 1..=start).rev().step_by(step).collect()
        }
    };
    let values = positions.iter().flat_map(|&at| data.data[at as usize * row..][..row].iter().copied());
    let mut shape = data.shape.clone();
    shape[0] = positions.len();
    Ok(SizeArray { shape, data: values.collect() })
}

/// The numbers in another shape, of which one dimension may be -1.
pub(super) fn reshape(data: SizeArray, shape: &[i64]) -> Supported<SizeArray> {
    let count = data.data.len();
    let refused = || format!("{count} integers in the shape {shape:?}");
    let known = shape.iter().filter(|&&size| size != -1);
    let product = known.clone().try_fold(1_usize, |product, &size| {
        usize::try_from(size).ok().and_then(|size| product.checked_mul(size))
    });
    let product = product.ok_or_else(refused)?;
    let inferred = match shape.len() - known.count() {
        0 if product == count => 0,
        1 if product > 0 && count.is_multiple_of(product) => count / product,
        _ => return Err(refused()),
    };
    let sizes: Vec<usize> = shape.iter().map(|&size| usize::try_from(size).unwrap_or(inferred)).collect();
    match array::count(&sizes) {
        Some(_) => Ok(SizeArray { shape: sizes, data: data.data }),
        None => Err(refused()),
    }
}

/// The numbers with their axes in another order.
pub(super) fn transposed(data: &SizeArray, order: Option<&[usize]>) -> Supported<SizeArray> {
    let rank = data.shape.len();
    let order: Vec<usize> = order.map_or_else(|| (0..rank).rev().collect(), <[usize]>::to_vec);
    match is_permutation(&order, rank) {
        true => {
            let (shape, data) = transpose(&data.shape, &data.data, &order);
            Ok(SizeArray { shape, data })
        }
        false => Err(format!("perm is {order:?}, for an array of {rank} dimensions")),
    }
}

/// As many numbers as the product of the dimensions.
pub(super) fn filled(shape: &[i64], value: Size) -> Supported<SizeArray> {
    let size = |&size: &i64| usize::try_from(size).ok().filter(|&size| size <= MOST);
    let sizes: Option<Vec<usize>> = shape.iter().map(size).collect();
    let sizes = sizes.ok_or_else(|| format!("an array of the shape {shape:?}"))?;
    let count = array::count(&sizes).filter(|&count| count <= MOST);
    let count = count.ok_or_else(|| format!("an array of the shape {shape:?}"))?;
    Ok(SizeArray { shape: sizes, data: vec![value; count] })
}

/// Number by number; one of the arrays may be a single number.
pub(super) fn arithmetic(operator: Arithmetic, [a, b]: [&SizeArray; 2]) -> Supported<SizeArray> {
    pairs([a, b], |a, b| {
        let (a, b) = match (operator, a, b) {
            (Arithmetic::Mul, Size::Images(images), Size::Known(factor))
            | (Arithmetic::Mul, Size::Known(factor), Size::Images(images)) => {
                return usize::try_from(factor).ok()?.checked_mul(images).map(Size::Images);
            }
            (_, Size::Known(a), Size::Known(b)) => (a, b),
            (_, Size::Images(_), _) | (_, _, Size::Images(_)) => return None,
        };
        let result = match operator {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Sub => a.checked_sub(b),
            Arithmetic::Mul => a.checked_mul(b),
            Arithmetic::Div => a.checked_div(b),
            Arithmetic::Pow => None,
        };
        result.map(Size::Known)
    })
}

/// 1 where numbers are equal, otherwise 0.
pub(super) fn equal([a, b]: [&SizeArray; 2]) -> Supported<SizeArray> {
    // Whether the number of images is a certain number is not known.
    pairs([a, b], |a, b| match (a, b) {
        (Size::Known(a), Size::Known(b)) => Some(Size::Known((a == b).into())),
        (Size::Images(a), Size::Images(b)) if a == b => Some(Size::Known(1)),
        (Size::Images(_), Size::Known(_) | Size::Images(_)) | (Size::Known(_), Size::Images(_)) => None,
    })
}

fn pairs([a, b]: [&SizeArray; 2], of: impl Fn(Size, Size) -> Option<Size>) -> Supported<SizeArray> {
    let (shape, count) = match (a.data.len(), b.data.len()) {
        (n, m) if n == m && a.shape.len() >= b.shape.len() => (&a.shape, n),
        (n, m) if n == m => (&b.shape, n),
        (n, 1) => (&a.shape, n),
        (1, m) => (&b.shape, m),
        (n, m) => return Err(format!("arrays of {n} and of {m} integers")),
    };
    let at = |array: &SizeArray, i: usize| array.data[if array.data.len() == 1 { 0 } else { i }];
    let results: Option<Vec<Size>> = (0..count).map(|i| of(at(a, i), at(b, i))).collect();
    let data = results.ok_or("a computation with the number of images, or beyond 64 bits")?;
    Ok(SizeArray { shape: shape.clone(), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[i64]) -> SizeArray {
        SizeArray::list(values.iter().map(|&value| Size::Known(value)).collect())
    }

    fn with_images(values: &[i64]) -> SizeArray {
        let mut array = list(values);
        array.data.insert(0, Size::IMAGES);
        array.shape[0] += 1;
        array
    }

    #[test]
    fn sizes_are_computed_as_exporters_write_them() {
        let sizes = with_images(&[64, 6, 6]);
        assert_eq!(gather(&sizes, &list(&[0, -1]), 0).unwrap().data, [Size::IMAGES, Size::Known(6)]);
        assert!(gather(&sizes, &list(&[4]), 0).is_err() && gather(&sizes, &list(&[i64::MIN]), 0).is_err());
        // Pads of PyTorch, from the last axis to the first: pairs in reverse order, then the firsts before the seconds.
        let pads = concat(&[list(&[0, 0, 1, 2]), list(&[0, 0, 0, 0])]).unwrap();
        let pads = reshape(pads, &[-1, 2]).unwrap();
        let all = SliceAttributes { starts: vec![-1], ends: vec![-i64::MAX], axes: Some(vec![0]) };
        let pads = transposed(&slice(&pads, &all, -1).unwrap(), Some(&[1, 0])).unwrap();
        assert_eq!(reshape(pads, &[-1]).unwrap(), list(&[0, 0, 1, 0, 0, 0, 2, 0]));
    }

    #[test]
    fn parts_are_cut_off_at_the_ends() {
        let part = |start, end, step| {
            let slice = SliceAttributes { starts: vec![start], ends: vec![end], axes: None };
            super::slice(&list(&[1, 2, 3, 4, 5]), &slice, step).unwrap().known().unwrap()
        };
        assert_eq!(part(1, 3, 1), [2, 3]);
        assert_eq!(part(-2, i64::MAX, 1), [4, 5]);
        assert_eq!(part(0, 99, 2), [1, 3, 5]);
        assert_eq!(part(-1, i64::MIN, -2), [5, 3, 1]);
        assert_eq!(part(3, 1, 1), [] as [i64; 0]);
        assert_eq!(part(i64::MIN, i64::MAX, i64::MAX), [1]);
    }

    #[test]
    fn the_number_of_images_is_not_computed_with() {
        let (images, one) = (SizeArray::single(Size::IMAGES), SizeArray::single(Size::Known(1)));
        assert!(arithmetic(Arithmetic::Add, [&images, &one]).is_err() && equal([&images, &one]).is_err());
        let twice = arithmetic(Arithmetic::Mul, [&images, &SizeArray::single(Size::Known(2))]).unwrap();
        assert!(twice == SizeArray::single(Size::Images(2)) && equal([&images, &twice]).is_err());
        assert_eq!(equal([&images, &images]).unwrap(), one);
        assert_eq!(arithmetic(Arithmetic::Sub, [&list(&[5, 6]), &one]).unwrap(), list(&[4, 5]));
        assert!(arithmetic(Arithmetic::Div, [&one, &SizeArray::single(Size::Known(0))]).is_err());
        assert!(arithmetic(Arithmetic::Add, [&list(&[i64::MAX]), &one]).is_err());
    }

    #[test]
    fn results_are_bounded() {
        assert!(
            filled(&[1 << 40], Size::Known(0)).is_err() && filled(&[4000, 4000], Size::Known(0)).is_err()
        );
        assert_eq!(filled(&[2], Size::Known(7)).unwrap(), list(&[7, 7]));
        let half = filled(&[4000], Size::Known(0)).unwrap();
        assert!(concat(&[half.clone(), half]).is_err());
        assert!(reshape(list(&[1, 2, 3]), &[2, -1]).is_err() && reshape(list(&[1]), &[-1, -1]).is_err());
        assert!(reshape(list(&[]), &[0, -1]).is_err());
        assert!(
            reshape(list(&[]), &[0, 1 << 40, 1 << 40]).is_err()
                && filled(&[0, 4000, 4000], Size::IMAGES).is_err()
        );
    }
}
