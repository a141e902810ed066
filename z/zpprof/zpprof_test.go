package zpprof_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	_ "net/http/pprof" // whose patterns must not be in the way
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zmem-go/zmem/z"
	"github.com/zmem-go/zmem/z/zpprof"
)

//go:noinline
func site(n int) []byte { return z.Calloc(n, "served") }

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

// live is how much of site's memory a profile has.
func live(t *testing.T, body string) (bytes int64) {
	t.Helper()
	p, err := profile.ParseData([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Sample {
		if strings.HasSuffix(s.Location[0].Line[0].Function.Name, "zpprof_test.site") {
			bytes += s.Value[3]
		}
	}
	return bytes
}

func serve(t *testing.T) (url string) {
	t.Helper()
	t.Cleanup(func() { z.SetProfileRate(z.DefaultProfileRate) })
	z.SetProfileRate(1)
	server := httptest.NewServer(http.DefaultServeMux)
	t.Cleanup(server.Close)
	return server.URL + "/debug/pprof/zmem"
}

func TestHandler_ServesTheProfile(t *testing.T) {
	url := serve(t)
	defer z.Free(site(12345))
	r, body := get(t, url+"?gc=1")
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%s, %v", r.Status, r.Header)
	}
	if n := live(t, body); n != 12345 {
		t.Errorf("%d bytes are live", n)
	}
	out, err := exec.Command("go", "tool", "pprof", "-top", url).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "zpprof_test.site") {
		t.Errorf("go tool pprof: %v\n%s", err, out)
	}
}

func TestHandler_Text(t *testing.T) {
	url := serve(t)
	defer z.Free(site(23456))
	defer z.Free(site(111))
	_, body := get(t, url+"?debug=1")
	for _, want := range []string{"heap profile: ", " @ zmem/1\n", "# zmem: the profile takes ",
		"\n1: 23456 [1: 23456] @ 0x", ` tag "served"`, "zpprof_test.site\t", "zpprof_test.go:"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	if strings.Index(body, "1: 23456 ") > strings.Index(body, "1: 111 ") {
		t.Errorf("not the largest first:\n%s", body)
	}
}

func TestHandler_Seconds(t *testing.T) {
	url := serve(t)
	old := site(1 << 20)
	blocks := make(chan []byte)
	go func() {
		time.Sleep(300 * time.Millisecond)
		z.Free(old)
		blocks <- site(3 << 20)
	}()
	_, body := get(t, url+"?seconds=1")
	z.Free(<-blocks)
	if n := live(t, body); n != 2<<20 {
		t.Errorf("%d bytes more are live, want %d", n, 2<<20)
	}
}

func TestHandler_ClientLeaves(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/?seconds=3600", nil)
	w := httptest.NewRecorder()
	zpprof.Handler().ServeHTTP(w, r)
	if w.Body.Len() != 0 {
		t.Errorf("%d bytes for a client that left", w.Body.Len())
	}
}

func TestHandler_BadQuery(t *testing.T) {
	url := serve(t)
	for _, query := range []string{"seconds=x", "seconds=-1", "debug=1e9", "seconds=99999999999999999999"} {
		if r, body := get(t, url+"?"+query); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s, %s", query, r.Status, body)
		}
	}
}

func Example() {
	mux := http.NewServeMux()
	mux.Handle("/memory", zpprof.Handler())

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/memory?debug=1", nil))
	fmt.Println(strings.Fields(w.Body.String())[0])
	// Output: heap
}
