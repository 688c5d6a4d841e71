//! Collective operations of a group of ranks, built on messages between two.
//!
//! Sums are taken in a fixed binary tree over the ranks of the group, `((0 + 1) + (2 + 3)) + ...`, so that they have the same
//! bits with every transport, and as one process that adds leaves in the same tree.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::half::{self, Scale};
use super::traffic::{Payload, Traffic};
use super::transport::{Lane, Transport};
use crate::error::Kind;
use crate::{Error, Result};
use alexnet_kernels::f16;

/// Bytes that are added at a time.
pub const BUCKET: usize = 4 << 20;

/// A group of ranks that communicate for one purpose. Every member calls the same operations in the same order.
#[derive(Clone, Debug)]
pub struct Collective {
    transport: Arc<dyn Transport>,
    lane: Lane,
    purpose: Payload,
    traffic: Arc<Traffic>,
    /// The ranks of the group, in the order of sums and concatenations.
    members: Vec<usize>,
    /// The position of this rank in the group.
    index: usize,
}

impl Collective {
    /// All ranks of a job.
    pub fn world(
        transport: &Arc<dyn Transport>,
        lane: Lane,
        purpose: Payload,
        traffic: &Arc<Traffic>,
    ) -> Self {
        Self {
            transport: Arc::clone(transport),
            lane,
            purpose,
            traffic: Arc::clone(traffic),
            members: (0..transport.size()).collect(),
            index: transport.rank(),
        }
    }

    /// The group of those ranks of the job, which must include this one.
    ///
    /// # Errors
    /// Returns an error if this rank is not among them.
    pub fn group(&self, members: Vec<usize>) -> Result<Self> {
        let rank = self.transport.rank();
        let index = members.iter().position(|&member| member == rank).ok_or_else(|| {
            Error::new(Kind::Runtime, format!("rank {rank} is not in the group of ranks {members:?}"))
        })?;
        Ok(Self { members, index, ..self.clone() })
    }

    /// The position of this rank in the group.
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The number of ranks in the group.
    pub const fn size(&self) -> usize {
        self.members.len()
    }

    /// Replaces `values` of every member by their sum over the group.
    ///
    /// Every rank sends `2 (size - 1) / size` of the values: half of them to a neighbor, a quarter to the next, and so on,
    /// which leaves each rank with the sum of a part, and the sums back the same way. Many values are added in buckets of
    /// [`BUCKET`] bytes, which stay in the cache.
    ///
    /// # Errors
    /// Returns an error if the size of the group is not a power of two, or the transport fails.
    pub fn all_reduce(&self, values: &mut [f32]) -> Result<()> {
        for bucket in values.chunks_mut(BUCKET / size_of::<f32>()) {
            let own = self.reduce_scatter(bucket)?;
            self.gather_halves(bucket, own)?;
        }
        Ok(())
    }

    /// As [`Collective::all_reduce`], with half the bytes: values travel in half precision. They are scaled by a power of two
    /// first, chosen by the largest finite magnitude `m` of any rank, so that small gradients are kept; a sum is wrong by at
    /// most `2^-11 (log2(size) / 2 + 1) size m`. Sums are in single precision, in the same tree, and all ranks have the same
    /// bits. Non-finite values stay non-finite. In a group of one rank nothing travels, and nothing is rounded.
    ///
    /// # Errors
    /// As [`Collective::all_reduce`].
    pub fn all_reduce_f16(&self, values: &mut [f32]) -> Result<()> {
        self.check_power_of_two()?;
        if self.size() == 1 {
            return Ok(());
        }
        let scale = Scale::new(self.largest(half::exponent_bound(values))?, self.size());
        scale.apply(values);
        for bucket in values.chunks_mut(BUCKET / size_of::<u16>()) {
            let own = self.reduce_scatter_in(Wire::F16, bucket)?;
            // The other ranks receive rounded sums: this one must continue with the same.
            half::round(&mut bucket[own.clone()]);
            self.gather_halves_in(Wire::F16, bucket, own)?;
        }
        scale.undo(values);
        Ok(())
    }

    /// The largest number of any rank.
    fn largest(&self, own: i32) -> Result<i32> {
        let mut largest = own;
        for level in 0..self.size().trailing_zeros() {
            let (peer, mut received) = (self.index ^ 1 << level, [0; 4]);
            self.send_receive(peer, &largest.to_le_bytes(), peer, &mut received)?;
            largest = largest.max(i32::from_le_bytes(received));
        }
        Ok(largest)
    }

    /// The first half of [`Collective::all_reduce`]: sums over the group, of which this rank has those in the returned range.
    /// The other values are left undefined.
    ///
    /// # Errors
    /// As [`Collective::all_reduce`].
    pub fn reduce_scatter(&self, values: &mut [f32]) -> Result<Range<usize>> {
        self.reduce_scatter_in(Wire::F32, values)
    }

    fn reduce_scatter_in(&self, wire: Wire, values: &mut [f32]) -> Result<Range<usize>> {
        self.check_power_of_two()?;
        let mut part = 0..values.len();
        let mut received = vec![0.0; values.len().div_ceil(2)];
        for level in 0..self.size().trailing_zeros() {
            let (kept, given) = halves(part, self.index >> level & 1);
            let peer = self.index ^ 1 << level;
            let memory = &mut received[..kept.len()];
            self.exchange(wire, peer, &values[given], memory)?;
            values[kept.clone()].iter_mut().zip(&*memory).for_each(|(sum, value)| *sum += value);
            part = kept;
        }
        Ok(part)
    }

    /// The second half of [`Collective::all_reduce`]: hands every rank's part of `values`, as [`Collective::reduce_scatter`]
    /// divides them, to all ranks.
    ///
    /// # Errors
    /// As [`Collective::all_reduce`].
    pub fn gather_halves(&self, values: &mut [f32], own: Range<usize>) -> Result<()> {
        self.gather_halves_in(Wire::F32, values, own)
    }

    fn gather_halves_in(&self, wire: Wire, values: &mut [f32], own: Range<usize>) -> Result<()> {
        let (mut parts, mut part) = (Vec::new(), 0..values.len());
        for level in 0..self.size().trailing_zeros() {
            let (kept, _) = halves(part.clone(), self.index >> level & 1);
            parts.push(std::mem::replace(&mut part, kept));
        }
        debug_assert_eq!(part, own);
        for level in (0..self.size().trailing_zeros()).rev() {
            let Range { start, end } = parts[level as usize];
            let (lower, upper) = values[start..end].split_at_mut((end - start) / 2);
            let peer = self.index ^ 1 << level;
            let (send, receive) = if self.index >> level & 1 == 0 { (lower, upper) } else { (upper, lower) };
            self.exchange(wire, peer, send, receive)?;
        }
        Ok(())
    }

    /// Hands every rank's part of `values` to all ranks: `parts[i]` is that of member `i`. Every rank sends its part to each
    /// other.
    ///
    /// # Errors
    /// Returns an error if the transport fails.
    pub fn all_gather(&self, values: &mut [f32], parts: &[Range<usize>]) -> Result<()> {
        let own = values[parts[self.index].clone()].to_vec();
        for step in 1..self.size() {
            let (to, from) = self.neighbors(step);
            self.shift(to, &own, from, &mut values[parts[from].clone()])?;
        }
        Ok(())
    }

    /// Replaces the part of this rank in `values` by its sum over the group, in the order of the tree; `parts[i]` is that of
    /// member `i`. The other values are left as they are.
    ///
    /// # Errors
    /// Returns an error if the transport fails.
    pub fn scatter_sums(&self, values: &mut [f32], parts: &[Range<usize>]) -> Result<()> {
        let own = parts[self.index].clone();
        let mut received = vec![Vec::new(); self.size()];
        received[self.index] = values[own.clone()].to_vec();
        for step in 1..self.size() {
            let (to, from) = self.neighbors(step);
            let mut memory = vec![0.0; own.len()];
            self.shift(to, &values[parts[to].clone()], from, &mut memory)?;
            received[from] = memory;
        }
        values[own].copy_from_slice(&tree_sum(received));
        Ok(())
    }

    /// Returns the value of every rank, in order.
    ///
    /// # Errors
    /// Returns an error if the transport fails, or a rank sends something else.
    pub fn all_gather_values<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<Vec<T>> {
        let own = encode(value)?;
        let mut values = Vec::with_capacity(self.size());
        let mut received: Vec<Vec<u8>> = vec![Vec::new(); self.size()];
        for step in 1..self.size() {
            let (to, from) = self.neighbors(step);
            let mut len = [0; 8];
            self.send_receive(to, &(own.len() as u64).to_le_bytes(), from, &mut len)?;
            received[from] = self.memory(u64::from_le_bytes(len))?;
            self.send_receive(to, &own, from, &mut received[from])?;
        }
        received[self.index] = own;
        for (index, bytes) in received.iter().enumerate() {
            values.push(decode(bytes, self.members[index])?);
        }
        Ok(values)
    }

    /// Returns the value of the first rank, which passes `Some`; the others pass `None`.
    ///
    /// # Errors
    /// Returns an error if the transport fails, or a rank sends something else.
    pub fn broadcast_value<T: Serialize + DeserializeOwned>(&self, value: Option<&T>) -> Result<T> {
        let mut bytes = value.map(encode).transpose()?.unwrap_or_default();
        let mut len = (bytes.len() as u64).to_le_bytes();
        self.broadcast_bytes(&mut len)?;
        if self.index > 0 {
            bytes = self.memory(u64::from_le_bytes(len))?;
        }
        self.broadcast_bytes(&mut bytes)?;
        decode(&bytes, self.members[0])
    }

    /// Copies the values of the first rank to all ranks.
    ///
    /// # Errors
    /// Returns an error if the transport fails.
    pub fn broadcast(&self, values: &mut [f32]) -> Result<()> {
        self.broadcast_bytes(bytemuck::cast_slice_mut(values))
    }

    /// Sends values to a member.
    ///
    /// # Errors
    /// Returns an error if the transport fails.
    pub fn send(&self, to: usize, values: &[f32]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        self.traffic.add(self.purpose, bytes.len());
        self.transport.transfer(self.lane, Some((self.members[to], bytes)), None)
    }

    /// Receives values from a member.
    ///
    /// # Errors
    /// Returns an error if the transport fails.
    pub fn receive(&self, from: usize, values: &mut [f32]) -> Result<()> {
        let bytes = bytemuck::cast_slice_mut(values);
        self.transport.transfer(self.lane, None, Some((self.members[from], bytes)))
    }

    /// Sends values to a member that does not know how many there are.
    ///
    /// # Errors
    /// Returns an error if the transport fails.
    pub fn send_all(&self, to: usize, values: &[f32]) -> Result<()> {
        let len = (size_of_val(values) as u64).to_le_bytes();
        self.traffic.add(self.purpose, len.len());
        self.transport.transfer(self.lane, Some((self.members[to], &len)), None)?;
        self.send(to, values)
    }

    /// Receives what [`Collective::send_all`] of a member has sent.
    ///
    /// # Errors
    /// Returns an error if the transport fails, or there is not enough memory.
    pub fn receive_all(&self, from: usize) -> Result<Vec<f32>> {
        let mut len = [0; 8];
        self.transport.transfer(self.lane, None, Some((self.members[from], &mut len)))?;
        let bytes = usize::try_from(u64::from_le_bytes(len)).unwrap_or(usize::MAX);
        let mut values = Vec::new();
        alexnet_kernels::memory::reserve(&mut values, bytes / size_of::<f32>())
            .map_err(|_| Error::out_of_memory(bytes, None))?;
        values.resize(bytes / size_of::<f32>(), 0.0);
        self.receive(from, &mut values)?;
        Ok(values)
    }

    /// A binomial tree: in each round, every rank that has the bytes hands them to one that does not.
    fn broadcast_bytes(&self, bytes: &mut [u8]) -> Result<()> {
        let mut distance = 1;
        while distance < self.size() {
            if self.index < distance && self.index + distance < self.size() {
                self.traffic.add(self.purpose, bytes.len());
                let to = self.members[self.index + distance];
                self.transport.transfer(self.lane, Some((to, bytes)), None)?;
            } else if (distance..2 * distance).contains(&self.index) {
                let from = self.members[self.index - distance];
                self.transport.transfer(self.lane, None, Some((from, bytes)))?;
            }
            distance *= 2;
        }
        Ok(())
    }

    /// The members to send to and to receive from in a step of a cyclic exchange.
    const fn neighbors(&self, step: usize) -> (usize, usize) {
        let size = self.members.len();
        ((self.index + step) % size, (self.index + size - step) % size)
    }

    fn exchange(&self, wire: Wire, peer: usize, send: &[f32], receive: &mut [f32]) -> Result<()> {
        match wire {
            Wire::F32 => self.shift(peer, send, peer, receive),
            Wire::F16 => {
                let (mut sent, mut received) = (vec![0_u16; send.len()], vec![0_u16; receive.len()]);
                f16::narrow(send, &mut sent);
                self.send_receive(
                    peer,
                    bytemuck::cast_slice(&sent),
                    peer,
                    bytemuck::cast_slice_mut(&mut received),
                )?;
                f16::widen(&received, receive);
                Ok(())
            }
        }
    }

    fn shift(&self, to: usize, send: &[f32], from: usize, receive: &mut [f32]) -> Result<()> {
        self.send_receive(to, bytemuck::cast_slice(send), from, bytemuck::cast_slice_mut(receive))
    }

    fn send_receive(&self, to: usize, send: &[u8], from: usize, receive: &mut [u8]) -> Result<()> {
        self.traffic.add(self.purpose, send.len());
        let (to, from) = (self.members[to], self.members[from]);
        self.transport.transfer(self.lane, Some((to, send)), Some((from, receive)))
    }

    /// Memory for a message whose length another rank has announced.
    fn memory(&self, len: u64) -> Result<Vec<u8>> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let mut memory = Vec::new();
        alexnet_kernels::memory::reserve(&mut memory, len).map_err(|_| Error::out_of_memory(len, None))?;
        memory.resize(len, 0);
        Ok(memory)
    }

    fn check_power_of_two(&self) -> Result<()> {
        match self.size().is_power_of_two() {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "{} processes share gradients, expected a power of two",
                self.size()
            ))),
        }
    }
}

/// The format of values in a message.
#[derive(Clone, Copy, Debug)]
enum Wire {
    F32,
    F16,
}

/// The half of a part that a rank keeps, and the other, by a bit of its position.
fn halves(part: Range<usize>, bit: usize) -> (Range<usize>, Range<usize>) {
    let middle = part.start + part.len() / 2;
    match bit {
        0 => (part.start..middle, middle..part.end),
        _ => (middle..part.end, part.start..middle),
    }
}

/// The sum of vectors in a binary tree.
fn tree_sum(mut values: Vec<Vec<f32>>) -> Vec<f32> {
    while values.len() > 1 {
        let mut next = Vec::with_capacity(values.len().div_ceil(2));
        let mut pairs = values.into_iter();
        while let Some(mut left) = pairs.next() {
            if let Some(right) = pairs.next() {
                left.iter_mut().zip(&right).for_each(|(a, b)| *a += b);
            }
            next.push(left);
        }
        values = next;
    }
    values.pop().unwrap_or_default()
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(value)
        .map_err(|error| Error::new(Kind::Runtime, format!("cannot encode a message: {error}")))
}

fn decode<T: DeserializeOwned>(bytes: &[u8], rank: usize) -> Result<T> {
    rmp_serde::from_slice(bytes).map_err(|error| {
        Error::new(Kind::Runtime, format!("cannot decode a message from rank {rank}: {error}"))
            .help("start all ranks with the same program")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::threads::ThreadTransport;

    /// Runs `work` on every rank of a job of threads, and returns the results in order.
    fn on_ranks<R: Send>(size: usize, work: impl Fn(Collective) -> R + Sync) -> Vec<R> {
        std::thread::scope(|scope| {
            let ranks: Vec<_> = ThreadTransport::job(size)
                .into_iter()
                .map(|transport| {
                    let work = &work;
                    scope.spawn(move || {
                        let transport: Arc<dyn Transport> = Arc::new(transport);
                        let traffic = Arc::new(Traffic::default());
                        work(Collective::world(&transport, Lane::Main, Payload::Gradients, &traffic))
                    })
                })
                .collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    /// Values whose sum depends on its order.
    fn values(rank: usize, len: usize) -> Vec<f32> {
        (0..len).map(|i| 1.0 / (1 + (i * 7 + rank * 13) % 29) as f32).collect()
    }

    #[test]
    fn sums_are_those_of_the_tree_on_every_rank() {
        for (size, len) in [(1, 5), (2, 7), (4, 1), (4, 1001), (8, 64), (8, 3)] {
            let expected = tree_sum((0..size).map(|rank| values(rank, len)).collect());
            let sums = on_ranks(size, |group| {
                let mut own = values(group.index(), len);
                group.all_reduce(&mut own).unwrap();
                (own, group.traffic.sent(Payload::Gradients))
            });
            for (sum, sent) in sums {
                assert_eq!(sum, expected);
                if len.is_multiple_of(size) {
                    assert_eq!(sent as usize, 2 * (size - 1) * len / size * size_of::<f32>());
                }
            }
        }
    }

    /// Sums in half precision of these values of each rank, and bytes that the first has sent.
    fn half_sums(ranks: &[Vec<f32>]) -> (Vec<f32>, u64) {
        let results = on_ranks(ranks.len(), |group| {
            let mut own = ranks[group.index()].clone();
            group.all_reduce_f16(&mut own).unwrap();
            (own, group.traffic.sent(Payload::Gradients))
        });
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        for (sums, _) in &results {
            assert_eq!(bits(sums), bits(&results[0].0), "the ranks have different bits");
        }
        results.into_iter().next().unwrap()
    }

    #[test]
    fn sums_in_half_precision_are_close_and_the_same_on_every_rank() {
        let len = 1000;
        for size in [1, 2, 4, 8] {
            for magnitude in [1.0_f32, 1e-8, 3e-30, 1e30, 70_000.0] {
                let spread = |rank: usize, i: usize| {
                    let small = if i.is_multiple_of(3) { 1e-5 } else { 1.0 };
                    magnitude * small * (((i * 7 + rank * 13) % 29) as f32 / 14.0 - 1.0)
                };
                let ranks: Vec<Vec<f32>> =
                    (0..size).map(|rank| (0..len).map(|i| spread(rank, i)).collect()).collect();
                let (sums, sent) = half_sums(&ranks);
                let levels = f64::from(size.trailing_zeros());
                let bound = (levels / 2.0 + 1.0) * size as f64 / 2048.0;
                let mut rounded = false;
                for i in 0..len {
                    let exact: f64 = ranks.iter().map(|rank| f64::from(rank[i])).sum();
                    // Small values have an error of their own size.
                    let largest = ranks.iter().map(|rank| f64::from(rank[i]).abs()).fold(0.0, f64::max);
                    let floor = f64::from(magnitude) * (-37_f64).exp2() * size as f64;
                    let error = (f64::from(sums[i]) - exact).abs();
                    assert!(error <= bound * largest + floor, "{size} ranks, {magnitude}: {error:e}");
                    rounded |= error > 1e-6 * largest;
                }
                assert_eq!(rounded, size > 1, "{size} ranks: the values did not travel in half precision");
                let exponents = 4 * u64::from(size.trailing_zeros());
                assert_eq!(sent, (2 * (size - 1) * len / size * size_of::<u16>()) as u64 + exponents);
            }
        }
    }

    /// The largest magnitude may be on any rank, and sums may be as large as they can become.
    #[test]
    fn the_scale_is_that_of_the_largest_magnitude_of_any_rank() {
        for size in [2, 4, 8] {
            for largest in 0..size {
                let values = |rank| vec![if rank == largest { 60_000.0 } else { 1.0 }; 9];
                let (sums, _) = half_sums(&(0..size).map(values).collect::<Vec<_>>());
                let exact = 60_000.0 + (size - 1) as f32;
                assert!(sums.iter().all(|sum| (sum / exact - 1.0).abs() < 2e-3), "{sums:?}");
            }
            for equal in [0.99 * f32::MAX / size as f32, 1.999_999_9, -65_519.0] {
                let (sums, _) = half_sums(&vec![vec![equal; 9]; size]);
                let exact = equal * size as f32;
                assert!(sums.iter().all(|sum| (sum / exact - 1.0).abs() < 2e-3), "{sums:?} of {exact}");
            }
        }
    }

    #[test]
    fn zeros_and_tiny_values_in_half_precision() {
        for size in [1, 2, 4, 8] {
            assert_eq!(half_sums(&vec![vec![0.0; 5]; size]).0, [0.0; 5]);
            assert!(half_sums(&vec![Vec::new(); size]).0.is_empty());
            // The smallest values of single precision, far below those of half precision.
            for tiny in [1e-8, f32::MIN_POSITIVE, 1e-40] {
                let (sums, _) = half_sums(&vec![vec![tiny, -tiny, 0.0]; size]);
                let exact = tiny * size as f32;
                assert!((sums[0] / exact - 1.0).abs() < 1e-3 && sums[1] == -sums[0], "{sums:?} of {exact}");
                assert_eq!(sums[2], 0.0);
            }
        }
    }

    #[test]
    fn non_finite_values_stay_non_finite_in_half_precision() {
        for size in [1, 2, 4, 8] {
            for (place, bad) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
                for rank in 0..size {
                    let mut ranks = vec![vec![1e-8; 6]; size];
                    ranks[rank][2 * place] = bad;
                    let (sums, _) = half_sums(&ranks);
                    for (i, sum) in sums.iter().enumerate() {
                        let expected = 1e-8 * size as f32;
                        let is_right = match i == 2 * place {
                            true => !sum.is_finite(),
                            false => (sum / expected - 1.0).abs() < 1e-3,
                        };
                        assert!(is_right, "{bad} of rank {rank} of {size}: {sums:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn sums_of_three_ranks_are_refused() {
        for error in on_ranks(3, |group| group.all_reduce(&mut [1.0]).unwrap_err()) {
            assert!(error.message.contains("3 processes"), "{error}");
        }
    }

    #[test]
    fn parts_of_any_size_are_gathered_and_scattered() {
        for size in [1, 2, 3, 4, 6] {
            let bounds: Vec<usize> = (0..=size).map(|i| i * 11 / size).collect();
            let parts: Vec<Range<usize>> = bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
            let whole = values(0, 11);
            let gathered = on_ranks(size, |group| {
                let mut values = vec![0.0; 11];
                let own = parts[group.index()].clone();
                values[own.clone()].copy_from_slice(&whole[own]);
                group.all_gather(&mut values, &parts).unwrap();
                values
            });
            assert!(gathered.iter().all(|values| *values == whole));
            let expected = tree_sum((0..size).map(|rank| values(rank, 11)).collect());
            let scattered = on_ranks(size, |group| {
                let mut values = values(group.index(), 11);
                group.scatter_sums(&mut values, &parts).unwrap();
                let own = parts[group.index()].clone();
                values[own.clone()] == expected[own]
            });
            assert!(scattered.iter().all(|&right| right));
        }
    }

    #[test]
    fn values_are_shared() {
        for size in [1, 2, 5] {
            let all =
                on_ranks(size, |group| group.all_gather_values(&format!("rank {}", group.index())).unwrap());
            let expected: Vec<String> = (0..size).map(|rank| format!("rank {rank}")).collect();
            assert!(all.iter().all(|values| *values == expected));
            let heard = on_ranks(size, |group| {
                let own = (group.index() == 0).then(|| "a command".to_owned());
                group.broadcast_value(own.as_ref()).unwrap()
            });
            assert!(heard.iter().all(|value| value == "a command"));
        }
    }

    #[test]
    fn a_rank_that_fails_ends_the_others() {
        let errors = on_ranks(3, |group| match group.index() {
            1 => {
                let error = Error::data("no images");
                group.transport.abort(&error);
                error
            }
            _ => group.receive(1, &mut [0.0]).unwrap_err(),
        });
        for error in [&errors[0], &errors[2]] {
            assert!(error.message.contains("rank 1 ended the job: no images"), "{error}");
        }
    }

    #[test]
    fn groups_are_ranks_of_the_job() {
        let sums = on_ranks(4, |world| {
            let rank = world.index();
            let pair = world.group(vec![rank % 2, rank % 2 + 2]).unwrap();
            let mut values = [rank as f32];
            pair.all_reduce(&mut values).unwrap();
            values[0]
        });
        assert_eq!(sums, [2.0, 4.0, 2.0, 4.0]);
    }
}
