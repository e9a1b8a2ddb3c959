"""CSV files as programs write them: encodings, delimiters, headers. Each is read, or refused by a message whose advice works."""

import bz2
import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from fastsgd import LinearClassifier, SGDClassifier, load
from fastsgd.cli import main
from fastsgd.sources import from_csv

pytest.importorskip("pyarrow")

PLACES = ["Zürich", "Kraków", "Møn", "São Paulo"]
ROWS = [(i % 2, i / 4, PLACES[i % 4]) for i in range(24)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def text(mark=",", end="\n", header="größe"):
    lines = [mark.join(["y", header, "ort"])] + [mark.join(map(str, row)) for row in ROWS]
    return end.join(lines) + end


def write(content, path="d.csv"):
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(source):
    parts = list(source.blocks())
    X = [part.X.toarray() if hasattr(part.X, "toarray") else part.X for part in parts]
    return np.concatenate(X).tolist(), np.concatenate([part.y for part in parts]).tolist()


def read(path="d.csv", **how):
    source = from_csv(path, **{"target": "y", "categorical": "one-hot", **how})
    return source.feature_names, *rows(source)


@pytest.fixture
def plain():
    return read(write(text(), "plain.csv"))


# ---------------------------------------------------------------- encodings
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress], ids=["plain", "gzip", "bzip2"])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-8", "utf-16-le", "mac-roman", "utf-7"])
def test_an_encoding_that_is_given_is_read(plain, encoding, pack):
    write(pack(text().encode(encoding)))
    assert read(encoding=encoding) == plain


@pytest.mark.parametrize("given", [None, "utf-8", "cp1252"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(plain, encoding, pack, given):
    write(pack(text().encode(encoding)))
    assert read(encoding=given) == plain


@pytest.mark.parametrize("where", ["header", "early", "late"])
@pytest.mark.parametrize("encoding, guess", [("cp1252", "cp1252"), ("latin-1", "latin-1")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_text_that_is_not_utf8_is_refused_with_an_encoding_that_works(where, encoding, guess, pack):
    lines = ["y,x,w"] + [f"{i % 2},{i},word" for i in range(5000)]
    at = {"header": 0, "early": 3, "late": 4000}[where]
    lines[at] = lines[at].replace("w", "£" if encoding == "cp1252" else "£\x81", 1)
    write(pack("\n".join(lines).encode(encoding)))
    said = rf"not UTF-8, in row {at + 1}, counting the header, the byte 0xa3: set encoding='{guess}'"
    with pytest.raises(ValueError, match=said):
        list(from_csv("d.csv", target="y", block_bytes=4096).blocks())
    X, y = rows(from_csv("d.csv", target="y", block_bytes=4096, encoding=guess, n_hashed=8))
    assert [row[0] for row in X] == list(range(5000)) and y == [0, 1] * 2500


def test_text_of_another_encoding_in_columns_that_are_not_read_is_left_alone():
    write("y,x,w\n0,1,\xa3\n1,2,\xa3\n".encode("latin-1"))
    assert read(columns=["x"]) == (["x"], [[1], [2]], [0, 1])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_named(plain, encoding):
    write(text().encode(encoding))
    with pytest.raises(ValueError, match=f"UTF-16 without a byte order mark: set encoding='{encoding}'"):
        read()
    assert read(encoding=encoding) == plain


def test_utf8_is_not_read_as_another_encoding(plain):
    write(text())
    with pytest.raises(ValueError, match=r"encoding='cp1252', and d.csv is UTF-8: set encoding='utf-8'"):
        read(encoding="cp1252")
    assert read(encoding="utf-8") == plain


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", 7])
def test_an_encoding_that_is_none_is_refused(encoding):
    write(text())
    with pytest.raises(ValueError, match=f"encoding must be None or a codec of Python.*{encoding}"):
        read(encoding=encoding)


def test_bytes_that_an_encoding_does_not_have_are_refused():
    write("y,x\n" + "1,2\n" * 5000 + "0,\x81\n", "d.csv")
    write("y,w\n1,ab\n0,\x81\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"d.csv is not of encoding='cp1252'.*0x81"):
        read(encoding="cp1252")


def test_a_workbook_is_not_csv():
    write(b"PK\x03\x04" + bytes(300))
    with pytest.raises(ValueError, match="workbook of Excel, not CSV: save it as CSV"):
        read()


# ---------------------------------------------------------------- delimiters
@pytest.mark.parametrize("last", ["", "end"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", list(",;\t|"))
def test_the_delimiter_is_found(plain, mark, end, last):
    content = text(mark, end)
    write(content if last else content.removesuffix(end))
    assert read() == plain
    write(content, "d.tsv")
    assert read("d.tsv") == plain


def test_marks_in_quotes_and_in_words_do_not_decide():
    write('y;"a,b";w\n0;"1";"x, y; z"\n1;2;"p,q\nr"\n0;3;""""\n')
    assert read() == (
        ["a,b", 'w="', "w=p,q\nr", "w=x, y; z"],
        [[1, 0, 0, 1], [2, 0, 1, 0], [3, 1, 0, 0]],
        [0, 1, 0],
    )


def test_each_file_may_have_a_delimiter_of_its_own(plain):
    write(text(";"), "1.csv")
    write(text("\t").encode("utf-16"), "2.csv")
    names, X, y = read(["1.csv", "2.csv"])
    assert (names, X, y) == (plain[0], 2 * plain[1], 2 * plain[2])


def test_excel_says_the_delimiter_in_the_first_line(plain):
    write("sep=|\r\n" + text("|", "\r\n"))
    assert read() == plain
    write('"sep=;"\n' + text(";"))
    assert read(delimiter=";") == plain


def test_a_row_of_another_width_does_not_hide_the_delimiter():
    write("y;x\n" + "1;2\n" * 30 + "1;2;3\n")
    with pytest.raises(
        ValueError, match=r"Expected 2 columns, got 3.*Is delimiter=';' that of the file.*mend that row"
    ):
        read()


# ---------------------------------------------------------------- headers
@pytest.mark.parametrize(
    "above", ["\n", "\r\n\n", "   \n", "# made by a program\n# on 1, 2 and 3\n\n", "Report of May\n\n"]
)
def test_lines_above_the_header_are_passed_over(plain, above):
    write(above + text())
    assert read() == plain
    lines = above.count("\n")
    write(above + text() + "1,oops,x\n")
    with pytest.raises(ValueError, match=f"row {lines + 26}, counting the header"):
        read(block_bytes=300)


def test_a_header_may_begin_with_the_mark_of_comments():
    write("#y,x\n0,1\n1,2\n")
    assert read(target="#y") == (["x"], [[1], [2]], [0, 1])


def test_comments_and_blank_lines_between_rows_are_no_rows():
    write("y,x,z\n0,1,2\n# a word\n\n   \n1,2,3\n#\n")
    assert read() == (["x", "z"], [[1, 2], [2, 3]], [0, 1])


def test_blanks_around_names_are_no_part_of_them():
    write("y , x,  my col \n0,1,2\n1,2,3\n")
    assert read() == (["x", "my col"], [[1, 2], [2, 3]], [0, 1])
    assert read(columns=["my col"])[0] == ["my col"]


@pytest.mark.parametrize("header", ["y,x,", "y,x"])
def test_a_delimiter_at_the_end_of_the_lines_makes_no_column(header):
    write(header + "\n0,1,\n1,2,\n")
    assert read() == (["x"], [[1], [2]], [0, 1])


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("header", [",y,x", '"","y","x"', "y,x"])
def test_a_first_column_without_a_name_that_counts_the_rows_is_no_feature(header, first):
    write(header + f"\n{first},0,7\n{first + 1},1,9\n{first + 2},0,4\n")
    assert read() == (["x"], [[7], [9], [4]], [0, 1, 0])
    assert read(columns=["x", "Unnamed: 0"])[0] == ["x", "Unnamed: 0"]


def test_other_columns_without_a_name_get_one():
    write("y,,x,\n0,5,1,a\n1,3,2,b\n")
    assert read() == (["Unnamed: 1", "x", "Unnamed: 3=a", "Unnamed: 3=b"], [[5, 1, 1, 0], [3, 2, 0, 1]], [0, 1])


def test_names_that_are_there_twice_are_told_apart_as_pandas_does():
    write("y,x,x,x.1,x\n0,1,2,3,4\n1,5,6,7,8\n")
    assert read() == (["x", "x.2", "x.1", "x.3"], [[1, 2, 3, 4], [5, 6, 7, 8]], [0, 1])
    write("y,x,y\n0,1,0\n1,2,1\n")
    with pytest.raises(
        ValueError, match=r"has several columns 'y', one of which is the target.*Rename them in its header"
    ):
        read()


def test_rows_that_end_as_on_old_macs_are_said_to_and_the_advice_works():
    text = "y,x\n" + "".join(f"{i % 2},{i}\n" for i in range(20))
    Path("d.csv").write_bytes(text.replace("\n", "\r").encode())
    with pytest.raises(ValueError, match=r"d.csv ends its rows as old Macs did"):
        from_csv("d.csv", target="y")
    Path("d.csv").write_bytes(Path("d.csv").read_bytes().replace(b"\r", b"\n"))
    assert next(iter(from_csv("d.csv", target="y").blocks())).X.shape == (20, 1)


@pytest.mark.parametrize("content", ["\n\n", "   \n", "# nothing\n", "\ufeff"])
def test_a_file_without_a_header_is_empty(content):
    write(content)
    with pytest.raises(ValueError, match=r"d.csv is empty, without even a header"):
        read()


def test_names_that_are_given_stand_for_a_header():
    write("\ufeff0;1\n1;2\n")
    assert read(column_names=["y", "x"]) == (["x"], [[1], [2]], [0, 1])


def test_a_header_longer_than_what_is_looked_at_first():
    names = [f"a_column_with_a_long_name_{i}" for i in range(4000)]
    write(";".join(["y", *names]) + "\n" + ";".join(["1"] * 4001) + "\n" + ";".join(["0"] * 4001))
    found, X, y = read()
    assert found == names and np.shape(X) == (2, 4000) and y == [1, 0]


# ---------------------------------------------------------------- models
def test_a_model_reads_other_files_by_their_own_delimiter_and_encoding():
    write(text(";").encode("cp1252"))
    est = LinearClassifier(tol=1e-3).fit(from_csv("d.csv", target="y", encoding="cp1252", n_hashed=64))
    expected = est.predict(from_csv("d.csv", target="y", encoding="cp1252"))
    assert est.reading_["encoding"] == "cp1252" and "delimiter" not in est.reading_
    write(text("\t").encode("utf-16"), "other.csv")
    assert (est.predict(from_csv("other.csv")) == expected).all()


def test_the_command_says_which_encoding_and_takes_it(capsys):
    write(text(";", "\r\n").encode("cp1252"))
    train = ["train", "d.csv", "--target", "y", "--model", "m", "-q"]
    assert main(train) == 1
    error = " ".join(capsys.readouterr().err.split())
    flags = re.search(r"set (--encoding \S+),", error)[1].split()
    assert main([*train, *flags]) == 0
    assert load("m").reading_["encoding"] == "cp1252"
    assert main(["predict", "d.csv", "--model", "m", "--output", "p.csv"]) == 0  # as the model was trained
    write(text(), "utf8.csv")
    capsys.readouterr()
    assert main(["predict", "utf8.csv", "--model", "m", "--output", "q.csv"]) == 1
    assert "set --encoding utf-8" in " ".join(capsys.readouterr().err.split())
    assert main(["predict", "utf8.csv", "--model", "m", "--output", "q.csv", "--encoding", "utf-8"]) == 0
    assert Path("p.csv").read_text() == Path("q.csv").read_text()


def test_training_takes_files_of_any_encoding():
    write(text("|").encode("utf-16"))
    est = SGDClassifier(max_iter=2, tol=None, random_state=0)
    assert est.fit(from_csv("d.csv", target="y", n_hashed=64)).n_features_in_ == 65


def test_one_message_says_the_encoding_and_how_numbers_are_written():
    lines = [f"{i % 2};{i},5 \u20ac;Gr\u00f6\u00dfe;{i}%" for i in range(30)]
    write("\n".join(["y;Preis;W\u00f6rter;Anteil", *lines]).encode("cp1252"))
    with pytest.raises(ValueError, match=r"not UTF-8, in row 1.*column 'Preis' is one of numbers") as caught:
        from_csv("d.csv", target="y")
    flags = re.search(r"Set (.*?)\. ", str(caught.value))[1]
    assert flags == "encoding='cp1252', percent=True, currency=True, decimal=','"
    source = from_csv("d.csv", target="y", categorical="one-hot", **eval(f"dict({flags})"))
    assert source.feature_names == ["Preis", "Anteil", "W\u00f6rter=Gr\u00f6\u00dfe"]


def test_inspect_shows_the_columns_and_says_what_training_refuses(capsys):
    write("y,price\n" + "".join(f'{i % 2},"{i},000"\n' for i in range(1, 30)))
    assert main(["inspect", "d.csv", "--target", "y"]) == 1
    shown = capsys.readouterr()
    assert "price" in shown.out and "--thousands ," in " ".join(shown.err.split())
    assert main(["train", "d.csv", "--target", "y", "--model", "m"]) == 1
    assert "columns" not in capsys.readouterr().out
