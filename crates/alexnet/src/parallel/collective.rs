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
mod tests;
