//! `<measure>.svg`: a bar for each variant's median, with a line from the least to the most of its rounds.

use std::fmt::Write;

use super::table::number;
use super::{Results, VariantResult};
use crate::load::count;
use crate::measure::{Figure, Measure};

const WIDTH: usize = 900;
const LABEL_WIDTH: usize = 260;
const BAR_WIDTH: usize = 500;
const LINE: usize = 22;
const COLOURS: [&str; 6] = ["#9aa5b1", "#3b7dd8", "#2ba084", "#c7762b", "#8a63d2", "#c94f6d"];

/// The picture of a measure's first figure.
pub(super) fn render(measure: &dyn Measure, results: &Results) -> String {
    let main = &measure.figures()[0];
    let lines: usize = results.groups.iter().map(|group| group.variants.len() + 2).sum();
    let height = (lines + 2) * LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let mut top = LINE;
    text(&mut svg, 10, top, "bold", &format!("{}: {}", measure.name(), main.title));
    for group in &results.groups {
        top += LINE * 3 / 2;
        text(&mut svg, 10, top, "bold", &group.name);
        top += LINE / 2;
        let most = group.variants.iter().filter_map(|variant| variant.spread(main)).map(|spread| spread.most);
        let most = most.fold(0.0, f64::max);
        for (variant, colour) in group.variants.iter().zip(COLOURS.iter().cycle()) {
            bar(&mut svg, top, main, variant, most, colour);
            top += LINE;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar(svg: &mut String, top: usize, main: &Figure, variant: &VariantResult, full: f64, colour: &str) {
    text(svg, 20, top + LINE * 2 / 3, "normal", &variant.name);
    let Some(spread) = variant.spread(main) else { return };
    let left = count(LABEL_WIDTH);
    let [width, least, most] = [spread.median, spread.least, spread.most].map(|value| part(value, full, BAR_WIDTH));
    let _ = writeln!(
        svg,
        "<rect x=\"{LABEL_WIDTH}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>",
        top + 3,
        LINE - 6,
    );
    let (from, to, middle) = (left + least, left + most, top + LINE / 2);
    let _ = writeln!(svg, "<path d=\"M{from:.1} {middle}H{to:.1}\" stroke=\"#222\" stroke-width=\"1.5\"/>");
    text(svg, LABEL_WIDTH + BAR_WIDTH + 15, top + LINE * 2 / 3, "normal", &number(spread.median, main.digits));
}

fn text(svg: &mut String, x: usize, y: usize, weight: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" font-weight=\"{weight}\">{words}</text>");
}

/// How wide a bar is, as a part of the widest.
fn part(value: f64, most: f64, width: usize) -> f64 {
    if most > 0.0 { value / most * count(width) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::tests::variant;
    use super::*;
    use crate::measure::figure;

    #[test]
    fn a_bar_is_as_long_as_its_median() {
        let mut svg = String::new();
        let main = figure("operations_per_second", "per second", 0);
        bar(&mut svg, 0, &main, &variant("<floor>", &[50.0, 25.0, 100.0]), 100.0, "#000");
        assert!(svg.contains("width=\"250.0\"") && svg.contains("M385.0 11H760.0"), "{svg}");
        assert!(svg.contains("&lt;floor>"), "{svg}");
    }
}
