package embedded

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// These limits hold for each field of a request, in the URL (as it is written there) and in a form.
// They are the defaults of a server's settings http_max_field_name_size and
// http_max_field_value_size.
const (
	maxFieldName  = 128 << 10
	maxFieldValue = 128 << 10
)

// isForm says whether the body is a form. A server takes the fields of a form for more parameters.
func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
}

// readForm reads the body as a server does (DynamicQueryHandler::getQuery in ClickHouse's
// src/Server/HTTPHandler.cpp): the fields named query continue the statement, and param_* are
// parameters. The first value of a parameter counts, and the URL is before the form. All other
// fields mean nothing, even if they have the name of a setting.
func (q *request) readForm(r *http.Request) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return newException(codeBadArguments, "the form cannot be read: "+err.Error())
	}
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF { // only after the last boundary; a body that breaks off gives another error
			return nil
		}
		if err != nil {
			return brokenForm(err)
		}
		if err := q.readField(part); err != nil {
			return err
		}
	}
}

func (q *request) readField(part *multipart.Part) error {
	_, disposition, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if _, isFile := disposition["filename"]; isFile {
		return newException(codeNotImplemented,
			"the embedded engine takes no external tables: send the query alone, or insert the rows into a table")
	}
	value, err := io.ReadAll(io.LimitReader(part, maxFieldValue+1))
	if err != nil {
		return brokenForm(err)
	}
	name := disposition["name"]
	if err := checkField(name, string(value)); err != nil {
		return err
	}
	if name == "query" {
		q.text += string(value)
		return nil
	}
	if param, isParam := strings.CutPrefix(name, "param_"); isParam {
		if _, known := q.params[param]; !known {
			q.params[param] = string(value)
		}
	}
	return nil
}

func brokenForm(err error) *exception {
	return newException(codeCannotReadAll,
		"Unexpected EOF, did not find the last boundary while parsing a multipart HTTP request: "+err.Error())
}

// checkURL checks the fields of a URL before anything is decoded, as a server does.
func checkURL(rawQuery string) error {
	for field := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(field, "=")
		if err := checkField(name, value); err != nil {
			return err
		}
	}
	return nil
}

// checkField gives the errors of the library that a server reads forms and URLs with.
func checkField(name, value string) error {
	what := ""
	switch {
	case len(name) > maxFieldName:
		what = "Field name too long"
	case len(value) > maxFieldValue:
		what = "Field value too long"
	default:
		return nil
	}
	return &exception{
		Code: codePoco, Text: "Poco::Exception. Code: 1000, e.code() = 0, HTML Form Exception: " + what,
	}
}
