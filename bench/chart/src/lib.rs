//! Line charts as SVG that needs no fonts or styles from elsewhere.

use std::fmt::{self, Display, Formatter};

/// Lines over two axes that begin at zero, with a legend above.
#[derive(Clone, Debug)]
pub struct Chart {
    /// From left to right.
    pub across: Axis,
    /// From below.
    pub up: Axis,
    /// In the order of the legend.
    pub lines: Vec<Line>,
}

/// An axis from zero to its last mark.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Places and what stands at them.
    pub marks: Vec<(f64, String)>,
}

/// A line through points.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it shows.
    pub name: String,
    /// As CSS writes it.
    pub colour: &'static str,
    /// Whether it is a bound rather than something measured.
    pub is_dashed: bool,
    /// Across and up.
    pub points: Vec<(f64, f64)>,
}

impl Axis {
    fn end(&self) -> f64 {
        self.marks.last().map_or(1.0, |(place, _)| *place)
    }
}

impl Chart {
    fn top(&self) -> f64 {
        self.lines.len() as f64 * LEGEND + TOP
    }

    fn height(&self) -> f64 {
        self.top() + HEIGHT + BOTTOM
    }

    fn x(&self, across: f64) -> f64 {
        LEFT + across / self.across.end() * WIDTH
    }

    fn y(&self, up: f64) -> f64 {
        self.top() + HEIGHT * (1.0 - up / self.up.end())
    }
}

impl Display for Chart {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (right, height) = (LEFT + WIDTH, self.height());
        let width = right + RIGHT;
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>"
        )?;
        for (place, text) in &self.up.marks {
            let y = self.y(*place);
            writeln!(
                f,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 6.0,
                y + 4.0
            )?;
        }
        for (place, text) in &self.across.marks {
            let (x, y) = (self.x(*place), self.y(0.0) + 20.0);
            writeln!(f, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{text}</text>")?;
        }
        for (index, line) in self.lines.iter().enumerate() {
            let y = TOP + index as f64 * LEGEND;
            let (colour, name) = (line.colour, &line.name);
            let dashes = if line.is_dashed { " stroke-dasharray=\"4 4\"" } else { "" };
            write!(
                f,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes} points=\""
            )?;
            for (across, up) in &line.points {
                write!(f, "{:.1},{:.1} ", self.x(*across), self.y(*up))?;
            }
            writeln!(
                f,
                "\"/>\n<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"{colour}\" \
                 stroke-width=\"3\"{dashes}/><text x=\"{}\" y=\"{:.1}\">{name}</text>",
                LEFT + 30.0,
                LEFT + 38.0,
                y + 4.0
            )?;
        }
        writeln!(f, "</svg>")
    }
}

// Of the drawing, in its units.
const LEFT: f64 = 64.0;
const WIDTH: f64 = 716.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 20.0;
const HEIGHT: f64 = 300.0;
const BOTTOM: f64 = 36.0;
/// Height of a line of the legend.
const LEGEND: f64 = 20.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lie_between_the_ends_of_the_axes() {
        let axis = |end: f64| Axis { marks: vec![(0.0, "0".into()), (end, "all".into())] };
        let line = Line {
            name: "served".into(),
            colour: "#123456",
            is_dashed: false,
            points: vec![(0.0, 0.0), (5.0, 1.0), (10.0, 2.0)],
        };
        let svg = Chart { across: axis(10.0), up: axis(2.0), lines: vec![line] }.to_string();
        assert!(svg.contains("points=\"64.0,340.0 422.0,190.0 780.0,40.0 \""), "{svg}");
        assert!(svg.contains(">served</text>"), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 800 376\""), "{svg}");
    }
}
