package resolve

import (
	"os"
	"path/filepath"
	"testing"
)

func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v, err := DecodeVectors(raw)
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Cases) < 120 {
			t.Errorf("%s has %d cases, fewer than 120", file, len(v.Cases))
		}
		for _, c := range v.Cases {
			t.Run(c.Name, func(t *testing.T) {
				if err := v.Run(c); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestVectorsFindAWrongAnswer(t *testing.T) {
	v, err := DecodeVectors([]byte(`{"zone":"Asia/Ho_Chi_Minh","default":"d","cases":[
		{"name":"wrong winner","at":"2027-01-01T00:00:00Z","expect":"x"},
		{"name":"wrong next","at":"2027-01-01T00:00:00Z","expect":"d","next":"2027-01-02T00:00:00Z"},
		{"name":"wrong zone","zone":"Mars/Olympus","at":"2027-01-01T00:00:00Z","expect":"d"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Cases {
		if v.Run(c) == nil {
			t.Errorf("%s: taken as right", c.Name)
		}
	}
	if _, err := DecodeVectors([]byte(`{} {}`)); err == nil {
		t.Error("two values in one file: taken")
	}
}
