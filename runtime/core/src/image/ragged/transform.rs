//! What is to become of every image of a batch: `headrace_kernels.images.transform.ImageTransform`, which says what the
//! words mean.

/// Sides of images, so that positions are exact.
pub(super) const MAX_SIDE: u32 = 65_535;
const MAX_OUTPUT_SIDE: u32 = 16_384;

/// Of a name that Python has.
macro_rules! words {
    ($(#[$about:meta])* $name:ident: $($variant:ident = $word:literal),+) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub fn named(word: &str) -> Result<$name, String> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(format!("expected one of {}, got {word:?}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

words! {
    /// How an image meets the output.
    Fit: Stretch = "stretch", Letterbox = "letterbox", Crop = "crop"
}
words! {
    Resize: Nearest = "nearest", Bilinear = "bilinear", Bicubic = "bicubic"
}
words! {
    /// In what pieces an image lies.
    Source: Interleaved = "interleaved", Nv12 = "nv12", I420 = "i420"
}
words! {
    Colours: Bt601 = "bt601", Bt709 = "bt709"
}
words! {
    Layout: Planes = "NCHW", Pixels = "NHWC"
}
words! {
    /// What is written.
    Output: Uint8 = "uint8", Float16 = "float16", Bfloat16 = "bfloat16", Float32 = "float32"
}

#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    pub height: u32,
    pub width: u32,
    pub fit: Fit,
    /// Of a crop: the shorter side before it.
    pub resize_to: Option<u32>,
    pub resize: Resize,
    pub antialias: bool,
    pub source: Source,
    pub colours: Colours,
    pub full_range: bool,
    pub channels: usize,
    pub reverse_channels: bool,
    /// One for each channel.
    pub mean: Vec<f32>,
    pub scale: Vec<f32>,
    pub layout: Layout,
    pub output: Output,
    /// A level.
    pub fill: u8,
}

impl Transform {
    /// Says what cannot be had of it.
    pub fn check(&self) -> Result<(), String> {
        let side = |name: &str, side: u32| match side {
            1..=MAX_OUTPUT_SIDE => Ok(()),
            _ => Err(format!("{name} is {side}: 1 to {MAX_OUTPUT_SIDE} can be had")),
        };
        side("height", self.height)?;
        side("width", self.width)?;
        let larger = self.height.max(self.width);
        match self.resize_to {
            Some(_) if self.fit != Fit::Crop => return Err("resize_to is for fit='crop' alone".into()),
            Some(to) if !(larger..=MAX_OUTPUT_SIDE).contains(&to) => {
                return Err(format!("resize_to is {to}: {larger} to {MAX_OUTPUT_SIDE} can be had"));
            }
            Some(_) | None => {}
        }
        let coloured = self.source == Source::Interleaved || self.channels == 3;
        if !matches!(self.channels, 1 | 3) || !coloured {
            return Err(format!("channels is {}: images have 1 or 3, those of videos 3", self.channels));
        }
        for (name, values) in [("mean", &self.mean), ("scale", &self.scale)] {
            if values.len() != self.channels || values.iter().any(|value| !value.is_finite()) {
                return Err(format!("{name} is {values:?}: a finite number for each channel is needed"));
            }
        }
        Ok(())
    }

    /// Bytes of one number of the output.
    pub fn size(&self) -> usize {
        match self.output {
            Output::Uint8 => 1,
            Output::Float16 | Output::Bfloat16 => 2,
            Output::Float32 => 4,
        }
    }

    /// Bytes of one image's output.
    pub fn bytes(&self) -> usize {
        self.pixels() * self.channels * self.size()
    }

    /// Of one output.
    pub(super) fn pixels(&self) -> usize {
        index(self.height) * index(self.width)
    }
}

pub(super) fn index(side: u32) -> usize {
    usize::try_from(side).unwrap_or(usize::MAX)
}
