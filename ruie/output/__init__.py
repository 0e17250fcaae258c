"""What a model wrote, in the linear form or as JSON: read into candidates, which `ruie.parsing`
checks against the schema and the text."""
