module github.com/zmem-go/zmem

go 1.24
