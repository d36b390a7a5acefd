//! Lays a configuration out as `terraform fmt` does, and builds its parts.

use hcl_edit::expr::{
    Array, Expression, FuncArgs, FuncCall, Object, ObjectKey, ObjectValue, ObjectValueTerminator,
    Traversal, TraversalOperator,
};
use hcl_edit::structure::{Attribute, Block, Body, Structure};
use hcl_edit::template::{Element, HeredocTemplate, Template};
use hcl_edit::{Decorate as _, Decorated, Ident};

/// A block at the top of a file, with what is said above it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) comment: Vec<String>,
    pub(super) block: Block,
}

/// The text of a file: what is said at its top, and its blocks.
pub(super) fn text(comment: &[String], sections: Vec<Section>) -> String {
    let mut body = Body::new();
    for (index, mut section) in sections.into_iter().enumerate() {
        let mut prefix = String::new();
        if index == 0 && !comment.is_empty() {
            prefix.push_str(&commented(comment));
            prefix.push('\n');
        }
        if index > 0 {
            prefix.push('\n');
        }
        prefix.push_str(&commented(&section.comment));
        lay_out(&mut section.block.body, 1);
        section.block.decor_mut().set_prefix(prefix);
        body.push(section.block);
    }
    body.to_string()
}

/// A block with its attributes.
pub(super) fn block(kind: &str, labels: &[&str], attributes: Vec<(&str, Expression)>) -> Block {
    let mut block = Block::new(Ident::new_sanitized(kind));
    block.labels = labels.iter().map(|label| (*label).into()).collect();
    for (name, value) in attributes {
        block.body.push(Attribute::new(Ident::new_sanitized(name), value));
    }
    block
}

/// Such as `aws_iam_role.orders.arn`.
pub(super) fn reference(parts: &[&str]) -> Expression {
    let mut parts = parts.iter().map(|part| Ident::new_sanitized(*part));
    let first = parts.next().unwrap_or_else(|| Ident::new_sanitized(""));
    let rest = parts.map(|part| Decorated::new(TraversalOperator::GetAttr(Decorated::new(part))));
    Traversal::new(first, rest.collect()).into()
}

/// A document of IAM's.
pub(super) fn jsonencode(document: Expression) -> Expression {
    FuncCall::new(Ident::new_sanitized("jsonencode"), FuncArgs::from(vec![document])).into()
}

/// An object.
pub(super) fn object(pairs: impl IntoIterator<Item = (String, Expression)>) -> Expression {
    let pairs = pairs.into_iter().map(|(key, value)| {
        let key = match Ident::try_new(key.as_str()) {
            Ok(ident) => ObjectKey::from(ident),
            Err(_) => ObjectKey::from(Expression::from(key)),
        };
        (key, ObjectValue::new(value))
    });
    Object::from_iter(pairs).into()
}

/// An array.
pub(super) fn array(values: impl IntoIterator<Item = Expression>) -> Expression {
    Array::from_iter(values).into()
}

/// A text of several lines.
pub(super) fn lines(text: &str) -> Expression {
    let template = Template::from_iter([Element::from(text)]);
    let mut heredoc = HeredocTemplate::new(Ident::new_sanitized("EOT"), template);
    heredoc.set_indent(0);
    heredoc.into()
}

fn commented(lines: &[String]) -> String {
    let lines = lines.iter().flat_map(|line| match line.as_str() {
        "" => vec![""],
        line => line.lines().collect(),
    });
    lines
        .map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") })
        .collect()
}

/// Lays out what is in a block, `depth` blocks deep.
fn lay_out(body: &mut Body, depth: usize) {
    let widths: Vec<_> = body.iter().map(width_of_structure).collect();
    let pads = pads(&widths);
    let structures = std::mem::take(body).into_iter().enumerate();
    let laid_out = structures.map(|(index, mut structure)| {
        let above = if index > 0 && structure.is_block() { "\n" } else { "" };
        structure.decor_mut().set_prefix(format!("{above}{}", indent(depth)));
        match &mut structure {
            Structure::Attribute(attribute) => {
                attribute.key.decor_mut().set_suffix(" ".repeat(pads[index]));
                lay_out_expression(&mut attribute.value, depth);
            }
            Structure::Block(block) => lay_out(&mut block.body, depth + 1),
        }
        structure
    });
    *body = laid_out.collect();
    body.decor_mut().set_suffix(indent(depth - 1));
}

fn lay_out_expression(expression: &mut Expression, depth: usize) {
    match expression {
        Expression::Array(array) if array.len() == 1 => {
            array.iter_mut().for_each(|item| lay_out_expression(item, depth));
        }
        Expression::Array(array) if !array.is_empty() => {
            for item in array.iter_mut() {
                lay_out_expression(item, depth + 1);
                item.decor_mut().set_prefix(format!("\n{}", indent(depth + 1)));
            }
            array.set_trailing_comma(true);
            array.set_trailing(format!("\n{}", indent(depth)));
        }
        Expression::FuncCall(call) => {
            call.args.iter_mut().for_each(|argument| lay_out_expression(argument, depth));
        }
        Expression::HeredocTemplate(heredoc) => {
            heredoc.set_indent(INDENT * (depth + 1));
            heredoc.set_trailing(indent(depth));
        }
        Expression::Object(object) if !object.is_empty() => {
            let widths: Vec<_> = object
                .iter()
                .map(|(key, value)| {
                    let key = match key {
                        ObjectKey::Ident(ident) => ident.to_string(),
                        ObjectKey::Expression(expression) => expression.to_string(),
                    };
                    Width { key: Some(key.chars().count()), fits: fits(value.expr()) }
                })
                .collect();
            let pads = pads(&widths);
            for (index, (mut key, value)) in object.iter_mut().enumerate() {
                let above = if index == 0 { "\n" } else { "" };
                key.decor_mut().set_prefix(format!("{above}{}", indent(depth + 1)));
                key.decor_mut().set_suffix(" ".repeat(pads[index]));
                value.set_terminator(ObjectValueTerminator::Newline);
                lay_out_expression(value.expr_mut(), depth + 1);
            }
            object.set_trailing(indent(depth));
        }
        _ => {}
    }
}

/// How wide a key is; none for a block.
struct Width {
    key: Option<usize>,
    /// Whether key and value are on one line, which is when they are aligned with their neighbours.
    fits: bool,
}

fn width_of_structure(structure: &Structure) -> Width {
    match structure {
        Structure::Attribute(attribute) => Width {
            key: Some(attribute.key.as_str().chars().count()),
            fits: fits(&attribute.value),
        },
        Structure::Block(_) => Width { key: None, fits: false },
    }
}

fn fits(value: &Expression) -> bool {
    match value {
        Expression::Array(array) => array.len() < 2 && array.iter().all(fits),
        Expression::FuncCall(call) => call.args.iter().all(fits),
        Expression::Object(object) => object.is_empty(),
        _ => true,
    }
}

/// How many blanks follow each key, so that neighbours' signs stand below each other.
fn pads(widths: &[Width]) -> Vec<usize> {
    let mut pads = Vec::with_capacity(widths.len());
    for run in widths.chunk_by(|a, b| a.fits && b.fits) {
        let widest = run.iter().filter_map(|width| width.key).max().unwrap_or_default();
        pads.extend(run.iter().map(|width| widest - width.key.unwrap_or(widest) + 1));
    }
    pads
}

fn indent(depth: usize) -> String {
    " ".repeat(INDENT * depth)
}

const INDENT: usize = 2;
