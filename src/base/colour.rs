//! One colour of an organisation, and what is derived from it so that text stays readable.

/// A colour of the sRGB space, eight bits each of red, green and blue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Colour([u8; 3]);

impl Colour {
    /// Where an organisation says none.
    pub const DEFAULT: Self = Self([0x1f, 0x5f, 0x8b]);

    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#')?;
        if hex.len() != 6 || !hex.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        let pair = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        Some(Self([pair(0)?, pair(2)?, pair(4)?]))
    }

    /// `#rrggbb`.
    pub fn hex(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// Dark enough for white text on it, and to be read on white.
    pub fn deep(self) -> Self {
        self.within(|light| light.min(0.47), 0.19)
    }

    /// Light enough to be read on a nearly black ground, and for nearly black text on it.
    pub fn bright(self) -> Self {
        self.within(|light| light.max(0.8), 0.1)
    }

    /// A hint of it, as a ground for dark text.
    pub fn pale(self) -> Self {
        self.within(|_| 0.955, 0.02)
    }

    /// A hint of it, as a ground for light text.
    pub fn dusky(self) -> Self {
        self.within(|_| 0.28, 0.025)
    }

    /// The contrast ratio of WCAG 2.1, 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The same hue with another lightness and at most this chroma, which gives way where a screen cannot show it.
    fn within(self, lightness: impl Fn(f64) -> f64, most: f64) -> Self {
        let Oklch { light, chroma, hue } = self.oklch();
        let light = lightness(light);
        let at = |chroma| Oklch { light, chroma, hue }.srgb();
        let wanted = chroma.min(most);
        if let Some(colour) = at(wanted) {
            return colour;
        }
        let (mut low, mut high, mut shown) = (0.0, wanted, at(0.0).unwrap_or(self));
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            match at(middle) {
                Some(colour) => (low, shown) = (middle, colour),
                None => high = middle,
            }
        }
        shown
    }

    fn oklch(self) -> Oklch {
        let [red, green, blue] = self.0.map(linear);
        let long = (0.412_221_47 * red + 0.536_332_54 * green + 0.051_445_99 * blue).cbrt();
        let middle = (0.211_903_5 * red + 0.680_699_55 * green + 0.107_396_96 * blue).cbrt();
        let short = (0.088_302_46 * red + 0.281_718_84 * green + 0.629_978_7 * blue).cbrt();
        let light = 0.210_454_26 * long + 0.793_617_79 * middle - 0.004_072_05 * short;
        let a = 1.977_998_5 * long - 2.428_592_2 * middle + 0.450_593_71 * short;
        let b = 0.025_904_04 * long + 0.782_771_77 * middle - 0.808_675_77 * short;
        Oklch { light, chroma: a.hypot(b), hue: b.atan2(a) }
    }
}

/// Halvings of the chroma: finer than eight bits show.
const STEPS: usize = 12;

/// A colour by lightness (0 to 1), chroma and hue (CSS Color 4, Oklch).
struct Oklch {
    light: f64,
    chroma: f64,
    hue: f64,
}

impl Oklch {
    /// `None` where sRGB does not reach.
    fn srgb(&self) -> Option<Colour> {
        let (a, b) = (self.chroma * self.hue.cos(), self.chroma * self.hue.sin());
        let long = (self.light + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
        let middle = (self.light - 0.105_561_35 * a - 0.063_854_17 * b).powi(3);
        let short = (self.light - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
        let red = 4.076_741_7 * long - 3.307_711_6 * middle + 0.230_969_93 * short;
        let green = -1.268_438 * long + 2.609_757_4 * middle - 0.341_319_4 * short;
        let blue = -0.004_196_09 * long - 0.703_418_6 * middle + 1.707_614_7 * short;
        let shown = |part: f64| (-SLACK..=1.0 + SLACK).contains(&part);
        [red, green, blue].into_iter().all(shown).then(|| Colour([red, green, blue].map(octet)))
    }
}

/// What rounding does to a colour at the edge.
const SLACK: f64 = 0.000_5;

/// sRGB's curve (IEC 61966-2-1).
fn linear(octet: u8) -> f64 {
    let part = f64::from(octet) / 255.0;
    if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
}

fn octet(linear: f64) -> u8 {
    let part = if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    // Within 0 to 255, so the cast cannot cut.
    (part.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Colour {
        Colour::parse(text).unwrap()
    }

    #[test]
    fn reads_and_writes() {
        for text in ["#000000", "#ffffff", "#1f5f8b", "#0b5cad"] {
            assert_eq!(of(text).hex(), text);
        }
        assert_eq!(of("#AbCdEf").hex(), "#abcdef");
        for text in ["", "#", "#fff", "1f5f8b", "#1f5f8", "#1f5f8bb", "#1f5f8g", "#+f5f8b", "#üüü"] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }

    #[test]
    fn measures_contrast() {
        let ratio = of("#000000").contrast(of("#ffffff"));
        assert!((ratio - 21.0).abs() < 0.001, "{ratio}");
        let ratio = of("#777777").contrast(of("#ffffff"));
        assert!((ratio - 4.478).abs() < 0.01, "{ratio}");
    }

    /// What is dark enough already stays as it is.
    #[test]
    fn leaves_a_good_colour_alone() {
        for text in ["#1f5f8b", "#000000", "#17202a", "#5a1e1e"] {
            assert_eq!(of(text).deep().hex(), text);
        }
    }

    /// A brand may be any colour: text of it and on it can be read, by day and by night.
    #[test]
    fn every_colour_can_be_read() {
        let (white, sheet, ground) = (of("#ffffff"), of("#ffffff"), of("#f3f4f5"));
        let (ink, quiet) = (of("#17202a"), of("#4b5761"));
        let (night_sheet, night_ground) = (of("#1b1f23"), of("#121517"));
        let (night_ink, night_quiet, on_bright) = (of("#e9ecef"), of("#aeb7bf"), of("#0d1114"));
        let steps: Vec<u8> = (0..=15).map(|step| step * 17).collect();
        for &red in &steps {
            for &green in &steps {
                for &blue in &steps {
                    let brand = Colour([red, green, blue]);
                    for (what, one, other) in [
                        ("white on deep", white, brand.deep()),
                        ("deep on the sheet", brand.deep(), sheet),
                        ("deep on the ground", brand.deep(), ground),
                        ("deep on pale", brand.deep(), brand.pale()),
                        ("ink on pale", ink, brand.pale()),
                        ("quiet on pale", quiet, brand.pale()),
                        ("black on bright", on_bright, brand.bright()),
                        ("bright on the sheet", brand.bright(), night_sheet),
                        ("bright on the ground", brand.bright(), night_ground),
                        ("bright on dusky", brand.bright(), brand.dusky()),
                        ("ink on dusky", night_ink, brand.dusky()),
                        ("quiet on dusky", night_quiet, brand.dusky()),
                    ] {
                        let ratio = one.contrast(other);
                        assert!(ratio >= 4.5, "{what} of {}: {ratio}", brand.hex());
                    }
                }
            }
        }
    }
}
