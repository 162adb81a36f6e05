package tables

// FailureCodes are all codes that have a class, with their names.
var FailureCodes = codes

// Short makes the text of an error short, as every connection does.
func Short(err error) error { return short(err) }
