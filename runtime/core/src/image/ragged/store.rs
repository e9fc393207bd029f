//! Writing levels: normalised, in the output's order, layout and type.

use super::{
    placement::Span,
    transform::{Layout, Output, Transform, index},
};
use half::{bf16, f16};

/// What becomes of each level of each channel of the output, as bytes: levels are few, so that normalising and casting
/// are one look at 3 kB. `N`: bytes of a number.
struct Store<'a, const N: usize> {
    transform: &'a Transform,
    cast: fn(f32) -> [u8; N],
    table: Vec<[[u8; N]; 256]>,
}

/// Levels of the part of an output that is covered, rows of interleaved channels.
#[derive(Clone, Copy, Debug)]
pub(super) enum Levels<'a> {
    Whole(&'a [u8]),
    Floats(&'a [f32]),
}

/// All that is written of an image is its output's bytes; `None` where there is no image.
pub(super) struct Writer<'a>(Kind<'a>);

enum Kind<'a> {
    One(Store<'a, 1>),
    Two(Store<'a, 2>),
    Four(Store<'a, 4>),
}

impl<'a> Writer<'a> {
    pub(super) fn new(transform: &'a Transform) -> Writer<'a> {
        Writer(match transform.output {
            Output::Uint8 => Kind::One(Store::new(transform, level)),
            Output::Float16 => Kind::Two(Store::new(transform, |value| f16::from_f32(value).to_ne_bytes())),
            Output::Bfloat16 => Kind::Two(Store::new(transform, |value| bf16::from_f32(value).to_ne_bytes())),
            Output::Float32 => Kind::Four(Store::new(transform, f32::to_ne_bytes)),
        })
    }

    /// `out` has [`Transform::bytes`].
    pub(super) fn write(&self, image: Option<(&[Span; 2], Levels<'_>)>, out: &mut [u8]) {
        match &self.0 {
            Kind::One(store) => store.write(image, out),
            Kind::Two(store) => store.write(image, out),
            Kind::Four(store) => store.write(image, out),
        }
    }
}

/// Halves go to the even number, as NumPy rounds.
fn level(value: f32) -> [u8; 1] {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    let level = value.round_ties_even().clamp(0.0, 255.0) as u8;
    [level]
}

impl<'a, const N: usize> Store<'a, N> {
    fn new(transform: &'a Transform, cast: fn(f32) -> [u8; N]) -> Store<'a, N> {
        let mut store = Store { transform, cast, table: Vec::new() };
        for channel in 0..transform.channels {
            let mut table = [[0; N]; 256];
            let each = table.iter_mut().zip(0_u8..=255);
            each.for_each(|(bytes, level)| *bytes = store.number(channel, f32::from(level)));
            store.table.push(table);
        }
        store
    }

    fn number(&self, channel: usize, level: f32) -> [u8; N] {
        let of = |values: &[f32]| values.get(channel).copied().unwrap_or_default();
        (self.cast)((level - of(&self.transform.mean)) * of(&self.transform.scale))
    }

    fn write(&self, image: Option<(&[Span; 2], Levels<'_>)>, out: &mut [u8]) {
        let (out, _) = out.as_chunks_mut::<N>();
        let covers = |span: &Span, side: u32| span.covered == (0..index(side));
        let (height, width) = (self.transform.height, self.transform.width);
        let is_whole = image.is_some_and(|([down, across], _)| covers(down, height) && covers(across, width));
        if !is_whole {
            self.fill(out);
        }
        match image {
            Some((spans, Levels::Whole(levels))) => self.rows(spans, levels, out, |table, level, _| {
                table.get(usize::from(level)).copied().unwrap_or([0; N])
            }),
            Some((spans, Levels::Floats(levels))) => {
                self.rows(spans, levels, out, |_, level, channel| self.number(channel, level));
            }
            None => {}
        }
    }

    fn fill(&self, out: &mut [[u8; N]]) {
        let of = |table: &[[u8; N]; 256]| table.get(usize::from(self.transform.fill)).copied();
        let numbers: Vec<_> = self.table.iter().filter_map(of).collect();
        match self.transform.layout {
            Layout::Planes => {
                let planes = out.chunks_mut(self.transform.pixels().max(1));
                planes.zip(numbers).for_each(|(plane, number)| plane.fill(number));
            }
            Layout::Pixels => {
                out.iter_mut().zip(numbers.iter().cycle()).for_each(|(to, number)| *to = *number)
            }
        }
    }

    #[inline]
    fn rows<L: Copy>(
        &self,
        [down, across]: &[Span; 2],
        levels: &[L],
        out: &mut [[u8; N]],
        number: impl Fn(&[[u8; N]; 256], L, usize) -> [u8; N],
    ) {
        let (channels, width) = (self.transform.channels, index(self.transform.width));
        let row = (across.covered.len() * channels).max(1);
        for (y, levels) in down.covered.clone().zip(levels.chunks_exact(row)) {
            for (channel, table) in self.table.iter().enumerate() {
                let from = if self.transform.reverse_channels { channels - 1 - channel } else { channel };
                let levels = levels.iter().skip(from).step_by(channels);
                let first = y * width + across.covered.start;
                match self.transform.layout {
                    Layout::Planes => {
                        let first = channel * self.transform.pixels() + first;
                        let to = out.get_mut(first..first + across.covered.len()).unwrap_or_default();
                        to.iter_mut()
                            .zip(levels)
                            .for_each(|(to, level)| *to = number(table, *level, channel));
                    }
                    Layout::Pixels => {
                        let first = first * channels + channel;
                        let to = out.get_mut(first..).unwrap_or_default().iter_mut().step_by(channels);
                        to.zip(levels).for_each(|(to, level)| *to = number(table, *level, channel));
                    }
                }
            }
        }
    }
}
