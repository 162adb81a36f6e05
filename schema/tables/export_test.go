package tables

// FailureCodes are all codes that have a class, with their names.
var FailureCodes = codes
