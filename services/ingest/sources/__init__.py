"""Where access units come from: one module per kind of source, one blocking reader per connection."""
