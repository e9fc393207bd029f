#![no_main]
headrace_fuzz::target!(any_labels);
