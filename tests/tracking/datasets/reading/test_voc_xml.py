import pytest

from ct_mm.tracking.datasets.reading.voc_xml import read_objects

OBJECT = '<object><trackid>{}</trackid><bndbox><xmin>4</xmin></bndbox><occluded>0</occluded></object>'


def test_fields_of_objects_only(tmp_path):
    path = tmp_path / 'a.xml'
    path.write_text('<annotation><xmin>99</xmin>' + OBJECT.format(' 7\n ').replace('> 7\n <', '>7<') +
                    '<object><name>n02</name></object><occluded>1</occluded></annotation>')
    assert read_objects(path) == [dict(trackid='7', xmin='4', occluded='0'), {}]
    path.write_text('<annotation><folder>x</folder></annotation>')
    assert read_objects(path) == []


@pytest.mark.parametrize('declaration, reference', [
    ('<!ENTITY a "7">', '&a;'),
    ('<!ENTITY a "7"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">', '&c;'),
    ('<!ENTITY a SYSTEM "secret.txt">', '&a;'),
    ('<!ENTITY % a SYSTEM "secret.txt"> %a;', '7'),
])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16'])
def test_entities_are_rejected(tmp_path, declaration, reference, encoding):
    (tmp_path / 'secret.txt').write_text('7')
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<!DOCTYPE annotation [{declaration}]>\n<annotation>'
    (tmp_path / 'a.xml').write_bytes((text + OBJECT.format(reference) + '</annotation>').encode(encoding))
    with pytest.raises(ValueError, match=r'a\.xml:2: the file declares an entity'):
        read_objects(tmp_path / 'a.xml')


def test_other_files_are_not_read(tmp_path):
    (tmp_path / 'other.dtd').write_text('<!ENTITY a "7">')
    path = tmp_path / 'a.xml'
    path.write_text('<!DOCTYPE annotation SYSTEM "other.dtd"><annotation>' + OBJECT.format('&a;') + '</annotation>')
    assert read_objects(path)[0]['trackid'] == ''


def test_files_that_are_not_xml(tmp_path):
    path = tmp_path / 'a.xml'
    for content in (b'', b'<annotation>\n<object></annotation>', b'\xff\xd8\xff\xe0', b'<annotation>&a;</annotation>'):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r'a\.xml:\d: the file is not XML'):
            read_objects(path)
    with pytest.raises(FileNotFoundError):
        read_objects(tmp_path / 'none.xml')
