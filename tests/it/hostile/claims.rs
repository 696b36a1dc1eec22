//! What Berth says of its walls and limits, held against what a child experiences.
