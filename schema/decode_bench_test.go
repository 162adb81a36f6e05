package schema

import (
	"strings"
	"testing"
	"time"
)

var benchNow = time.Date(2026, 10, 31, 12, 0, 0, 0, time.UTC)

const benchMessage = `{"specversion":"1.0","id":"0192e4d2-7a3b-7c11-9d42-3f1c5b7a9e10","source":"/chat/eu-central-1","type":"usage.message.v1","time":"2026-10-31T08:15:30.123Z","datacontenttype":"application/json",` +
	`"data":{"org_id":"org-acme","user_id":"user-0042","channel":"assistant","assistant_id":"asst-support","conversation_id":"conv-8f1d22aa","model":"gpt-5-mini","client":"web"}}`

func BenchmarkDecode(b *testing.B) {
	envelope := []byte(benchMessage)
	_, data, _ := strings.Cut(strings.TrimSuffix(benchMessage, "}"), `"data":`)
	for _, way := range []struct {
		name string
		rec  *Record
		scan bool
	}{
		{"scanner", &Record{Value: envelope}, true},
		{"scanner, binary", &Record{Value: []byte(data), Headers: binaryHeaders(message)}, true},
		{"full", &Record{Value: envelope}, false},
	} {
		b.Run(way.name, func(b *testing.B) {
			d := NewDecoder()
			var ev Event
			b.ReportAllocs()
			b.SetBytes(int64(len(way.rec.Value)))
			for b.Loop() {
				if rej := d.decode(way.rec, benchNow, &ev, way.scan); rej != nil {
					b.Fatal(rej.Detail)
				}
			}
		})
	}
}
