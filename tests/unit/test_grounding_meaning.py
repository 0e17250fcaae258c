"""Grounding never joins words or numbers of different meaning, and still finds other spellings."""

from __future__ import annotations

import pytest

from ruie.grounding import Grounder

DIFFERENT = {
    "day": ("signed on 13 March 2021 in Bern", "18 March 2021"),
    "month": ("signed on 13 March 2021 in Bern", "13 May 2021"),
    "year": ("the annual report of 2019", "the annual report of 2018"),
    "weekday": ("held on Tuesday evening", "Thursday evening"),
    "amount": ("paid $1.5 million for it", "$1.6 million"),
    "decimal point": ("paid $1.5 million for it", "$15 million"),
    "decimal point in front": ("rose by .50 percent today", "50 percentt"),
    "no longer a number with a space": ("rows 1, 200 persons there", "1,200 persones"),
    "currency": ("paid $15 million for it", "€15 million"),
    "percent": ("a share of 15% of profits", "15$ of profit"),
    "dose": ("given 50 mg of morphine", "500 mg of morphine"),
    "unit": ("given 50 mg of morphine", "50 kg of morphine"),
    "sign": ("it was -15 degrees Celsius", "15 degree Celsius"),
    "sign in the answer": ("it was 15 degrees Celsius", "-15 degree Celsius"),
    "power": ("about 10² particles", "102 particless"),
    "power, normalised": ("about 10² particles", "102"),
    "power in the answer": ("about 102 particles", "10²"),
    "power of another": ("about 10² particles", "10³"),
    "power, as a reference": ("about 10&sup2; particles", "102"),
    "below the line": ("in base 10₂ here", "102"),
    "a footnote's number": ("in 2019¹ it was", "20191"),
    "fraction": ("about 1½ cups", "11⁄2"),
    "circled": ("see 10① there", "101"),
    "base without its power": ("about 10² particles", "10"),
    "case number": ("case No. 2021/113-4 was", "case No. 2021/118-4"),
    "version": ("with Python 3.11.4 only", "Python 3.11.2"),
    "ordinal": ("the 3rd Battalion came", "8th Battalion"),
    "Roman numeral": ("King Henry VIII of England", "King Henry VII of England"),
    "long Roman numeral": ("Pope John XXIII spoke", "Pope John XXIV"),
    "number word": ("two hundred soldiers fell", "ten hundred soldiers"),
    "-teen": ("sixteen soldiers fell", "sixty soldiers"),
    "decade": ("in his nineties he wrote", "ninety he wrote"),
    "other digits": ("في ١٥ كانون الثاني", "١٦ كانون الثاني"),
    "letter after a number": ("Appendix 12a of the treaty", "Appendix 12b of the treaty"),
    "hypo-": ("hypotension was seen", "hypertension"),
    "hyper-": ("severe hyperglycaemia", "severe hypoglycaemia"),
    "un-": ("an unreliable witness", "a reliable witness"),
    "in-": ("an inedible mushroom", "edible mushrooms"),
    "non-": ("a non-smoker since", "smoker since then"),
    "not": ("was not convicted of murder", "was convicted of murder"),
    "without": ("treated with antibiotics", "treated without antibiotics"),
    "pre-": ("the pre-war economy", "post-war economy"),
    "inter-": ("international trade", "intranational trade"),
    "anti-": ("the anti-government march", "pro-government march"),
    "macro-": ("macroeconomics at Yale", "microeconomics at Yale"),
    "adsorption": ("adsorption of gases", "absorption of gases"),
    "-ine": ("treated with chlorpromazine", "chlorpromazone"),
    "-ite": ("sodium sulphate solution", "sodium sulphite solution"),
    "immortality": ("the immortality of man", "the immorality of man"),
    "contract": ("a contract was made with Acme", "a contact was made with Acme"),
    "infarction": ("an infarction of the heart", "infraction of the heart"),
    "another first name": ("Marta Garlando said", "Mario Garlando"),
    "another short name": ("John Smithson said", "Jean Smithson"),
    "initials": ("George W. Bush spoke", "George H. Bush"),
    "an initial more": ("George W. Bush spoke", "George Bush"),
    "title": ("Mrs. Clinton-Rodham spoke", "Mr. Clinton-Rodham"),
    "compass": ("North Carolina won", "South Carolina"),
    "and, or": ("salt and vinegar crisps", "salt or vinegar crisps"),
    "kind": ("hepatitis A virus found", "hepatitis B virus"),
    "kind missing": ("hepatitis A virus found", "hepatitis virus"),
    "programming language": ("written in C++ language", "C# language"),
    "Chinese": ("中华人民共和国国家主席", "中华人民共和国国家主任"),
    "Chinese negation": ("他是不可以接受的条件", "他是可以接受的条件"),
    "Japanese": ("東京都知事選挙管理委員会", "京都府知事選挙管理委員会"),
    "Japanese voicing": ("日本のハハハハハ", "日本のパハハハハ"),
    "Thai": ("มหาวิทยาลัยเชียงใหม่", "มหาวิทยาลัยเชียงราย"),
    "Korean": ("서울특별시장 선거", "서울특별시청 선거"),
    "a name and one in -ing": ("Robert Browning wrote", "Robert Brown"),
    "a name and one without -ing": ("a brown bear met Robert Brown", "Robert Browning"),
    "a surname in -s": ("Serena Williams won", "Serena William"),
    "a first name without -s": ("of William Smithson", "Williams Smithson"),
    "a company with two of a letter": ("the lamps of Philips", "Phillips"),
    "a surname with two of a letter": ("Hans Andersson wrote", "Hans Anderson"),
    "a dish and a landscape": ("the desserts of Nevada", "deserts of Nevada"),
    "accent against accent": ("un péché mortel", "un pêche mortel"),
}


@pytest.mark.parametrize(("text", "piece"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_another_meaning_is_not_found(text: str, piece: str) -> None:
    assert Grounder(text).occurrences(piece) == ()


SAME = {
    "a letter swapped": ("met Aristotle there", "Aristotel", "Aristotle"),
    "swapped in the text": ("the Goverment Departmnet", "Goverment Department",
                            "Goverment Departmnet"),
    "a letter doubled": ("the accomodation is", "accommodation", "accomodation"),
    "doubled at the end": ("Zimmerman wrote", "Zimmermann", "Zimmerman"),
    "a letter missing": ("environmental law", "environmntal law", "environmental law"),
    "plural of a long name": ("the Royal Academy of Sciences", "Royal Academy of Science",
                              "Royal Academy of Sciences"),
    "a word with a capital once": ("Chatbots answer", "chatbot", "Chatbots"),
    "plural of a short word": ("the Central Bank of Ghana", "Central Banks of Ghana", None),
    "plural": ("many multinational companies", "multinational company",
               "multinational companies"),
    "singular": ("a government agency", "government agencies", "government agency"),
    "-ed": ("the company announced it", "company announces", "company announced"),
    "-ing": ("Analysts expecting cuts", "Analyst expected cuts", "Analysts expecting cuts"),
    "possessive": ("Saudi Arabia's oil", "Saudi Arabia oil", "Saudi Arabia's oil"),
    "possessive more": ("Saudi Arabia oil", "Saudi Arabia's oil", "Saudi Arabia oil"),
    "colour": ("a colourful person", "colorful person", "colourful person"),
    "labor": ("the Labor Party", "Labour Party", "Labor Party"),
    "centre": ("World Trade Center", "World Trade Centre", "World Trade Center"),
    "organisation": ("World Health Organization", "World Health Organisation",
                     "World Health Organization"),
    "anaemia": ("severe anaemia", "severe anemia", "severe anaemia"),
    "defence": ("Department of Defense", "Department of Defence", "Department of Defense"),
    "travelled": ("a travelling salesman", "traveling salesman", "travelling salesman"),
    "programme": ("the space programmes", "space programs", "space programmes"),
    "accents": ("in São Paulo today", "Sao Paulo", "São Paulo"),
    "accents of short words": ("in San José today", "San Jose", "San José"),
    "umlaut": ("Gerhard Müller left", "Gerhard Mueller", "Gerhard Müller"),
    "stroke": ("at Malmø University", "Malmoe University", "Malmø University"),
    "the": ("Bank of the England", "Bank of England", "Bank of the England"),
    "the, in the answer": ("University of Texas", "the University of Texas",
                           "University of Texas"),
    "title": ("Angela Merkel said", "Dr. Angela Merkel", "Angela Merkel"),
    "and": ("Procter & Gamble Company", "Procter and Gamble Company",
            "Procter & Gamble Company"),
    "hyphen": ("the co-operation agreement", "cooperation agreement", "co-operation agreement"),
    "hyphen in the answer": ("the cooperation agreement", "co-operation agreement",
                             "cooperation agreement"),
    "hyphen or space": ("a long-term contract", "long term contracts", "long-term contract"),
    "number with another spelling": ("13 Octobre 2021", "13 October 2021", "13 Octobre 2021"),
    "grouped digits": ("sold 1000000 barrels", "1,000,000 barrels", "1000000 barrels"),
    "range": ("1939-1945, World Powers", "1939-1945 World Power", "1939-1945, World Powers"),
    "hyphen before a number": ("the COVID-19 vaccines", "COVID 19 vaccine", "COVID-19 vaccines"),
    "punctuation": ("Smith, Jones & Company Inc. fell", "Smith Jones & Company Inc",
                    "Smith, Jones & Company Inc"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "piece", "place"), SAME.values(), ids=list(SAME))
def test_another_spelling_is_found(text: str, piece: str, place: str | None) -> None:
    spans = Grounder(text).occurrences(piece)
    expected = [] if place is None else [(place, "fuzzy")]
    assert [(span.text, str(span.grounding)) for span in spans] == expected


REFERENCES = {
    "&amp;": ("by AT&amp;T Inc", "AT&T", "AT&amp;T"),
    "in the answer": ("by AT&T Inc", "AT&amp;T", "AT&T"),
    "twice escaped": ("by AT&amp;amp;T Inc", "AT&T", "AT&amp;amp;T"),
    "once in the answer, twice in the text": ("by AT&amp;amp;T", "AT&amp;T", "AT&amp;amp;T"),
    "thrice": ("by AT&amp;amp;amp;T", "AT&T", "AT&amp;amp;amp;T"),
    "as a number": ("by AT&#38;T", "AT&T", "AT&#38;T"),
    "capital": ("by AT&AMP;T", "AT&T", "AT&AMP;T"),
    "less than": ("if a &lt; b here", "a < b", "a &lt; b"),
    "tag": ("the &lt;br&gt; tag", "<br>", "&lt;br&gt;"),
    "no-break space": ("in New&nbsp;York now", "New York", "New&nbsp;York"),
    "twice escaped space": ("New&amp;nbsp;York", "New York", "New&amp;nbsp;York"),
    "apostrophe": ("Conan O&#39;Brien", "O'Brien", "O&#39;Brien"),
    "apostrophe, hexadecimal": ("Conan O&#x27;Brien", "O'Brien", "O&#x27;Brien"),
    "apostrophe, by name": ("Conan O&apos;Brien", "O’Brien", "O&apos;Brien"),
    "typographic": ("Conan O&rsquo;Brien", "O'Brien", "O&rsquo;Brien"),
    "Windows' number": ("Conan O&#146;Brien", "O'Brien", "O&#146;Brien"),
    "quotes": ("the &quot;Times&quot;", '"Times"', "&quot;Times&quot;"),
    "dash": ("1939&ndash;1945", "1939-1945", "1939&ndash;1945"),
    "accent": ("Caf&eacute; Central", "Café Central", "Caf&eacute; Central"),
    "capital accent": ("&Eacute;douard Manet", "Édouard Manet", "&Eacute;douard Manet"),
    "space before a letter": ("at &Eacute;cole", "at École", "at &Eacute;cole"),
    "soft hyphen": ("co&shy;operate now", "cooperate", "co&shy;operate"),
    "decimal digits": ("room &#53;0 there", "room 50", "room &#53;0"),
    "LaTeX": (r"by AT\&T Inc", "AT&T", r"AT\&T"),
    "LaTeX in the answer": ("a 15% share", r"15\% share", "15% share"),
    "joiner": ("non\u2060breaking", "nonbreaking", "non\u2060breaking"),
    "byte order mark": ("data\ufeffbase", "database", "data\ufeffbase"),
    "ligature": ("the ﬂuﬀy cat", "fluffy", "ﬂuﬀy"),
    "full-width": ("Ａｄａ came", "Ada", "Ａｄａ"),
    "full-width digits": ("in ２０１９", "2019", "２０１９"),
    "power with a circumflex": ("about 10² cells", "10^2", "10²"),
    "power by a reference": ("about 10&sup2; cells", "10²", "10&sup2;"),
    "below a letter": ("of H₂O here", "H2O", "H₂O"),
    "raised at a letter": ("of 5 m² here", "5 m2", "5 m²"),
    "fraction with a space": ("about 1½ cups", "1 ½", "1½"),
}


@pytest.mark.parametrize(("text", "piece", "place"), REFERENCES.values(), ids=list(REFERENCES))
def test_references_and_invisible_characters(text: str, piece: str, place: str) -> None:
    (span,) = Grounder(text).occurrences(piece)
    assert (span.text, str(span.grounding)) == (place, "normalised")
    assert text[span.start : span.end] == place
    assert Grounder(text).contains(piece)


NO_REFERENCES = ["a & b; c", "&unknown;", "&;", "&#;", "&#x;", "&#xffffffff;", "&amp", "&#1;"]


@pytest.mark.parametrize("text", NO_REFERENCES)
def test_what_is_no_reference_stays(text: str) -> None:
    (span,) = Grounder(f"so {text} it is").occurrences(text.upper())
    assert span.text == text


def test_whole_numbers_come_before_parts_of_longer_ones() -> None:
    assert [span.start for span in Grounder("1.5 and 5").occurrences("5")] == [8]
    assert [span.start for span in Grounder("12,500 and 12").occurrences("12")] == [11]
    assert Grounder("1.5").occurrences("5") == ()
