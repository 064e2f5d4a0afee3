"""What category is suggested for the words of a report: sentences as teachers write them, and no guess where nothing fits."""

import pytest

from workflows.reference import samples, suggest, taxonomy
from workflows.reference.suggesting import BEST, LONGEST

#: as people write on a phone, none of them a sample of the reference
SENTENCES = [
    ("疏散指示灯不亮", "FIRE.exit"),
    ("安全出口被锁住了", "FIRE.exit"),
    ("楼道里堆了很多纸箱，疏散通道走不通", "FIRE.exit"),
    ("灭火器压力不够，指针在红区", "FIRE.equip"),
    ("消火栓箱里没有水带", "FIRE.equip"),
    ("防火门关不上", "FIRE.door"),
    ("电动车停在楼梯间充电", "FIRE.ebike"),
    ("电瓶车在宿舍楼下飞线充电", "FIRE.ebike"),
    ("消防车道被私家车占用", "FIRE.lane"),
    ("烟感报警器一直在响", "FIRE.alarm"),
    ("三楼走廊栏杆松动", "BLDG.rail"),
    ("楼梯扶手晃动", "BLDG.rail"),
    ("吊顶板要掉下来了", "BLDG.fall"),
    ("教室吊扇摇晃", "BLDG.fall"),
    ("教室窗户玻璃裂了", "BLDG.open"),
    ("围墙倾斜开裂", "BLDG.wall"),
    ("下雨天屋面漏水", "BLDG.roof"),
    ("操场边井盖破了", "BLDG.ground"),
    ("篮球架生锈晃动", "BLDG.sport"),
    ("插座面板破损", "ELEC.use"),
    ("墙上的插座松了", "ELEC.use"),
    ("电线裸露，没有穿管", "ELEC.wire"),
    ("配电箱门没锁", "ELEC.room"),
    ("电梯检验过期", "SPEQ.lift"),
    ("食堂燃气软管老化", "SPEQ.gas"),
    ("冰箱里生熟食品混放", "FOOD.store"),
    ("厨师没有健康证", "FOOD.lic"),
    ("食堂留样没有写时间", "FOOD.cook"),
    ("宿舍有人用电热锅", "DORM.power"),
    ("学生上铺护栏松了", "DORM.bed"),
    ("学生带管制刀具", "DORM.ban"),
    ("车床防护罩没装", "LABT.mach"),
    ("实训学生没戴护目镜", "LABT.ppe"),
    ("药品柜没有双人双锁", "LABT.chem"),
    ("氧气瓶没有固定", "LABT.cyl"),
    ("校车上没有逃生锤", "BUS.vehicle"),
    ("门卫没有登记来访人员", "GATE.visit"),
    ("摄像头黑屏", "GATE.video"),
    ("一键报警按了没反应", "GATE.alarm"),
    ("校门口有流动摊贩", "GATE.around"),
    ("密码还是初始口令", "INFO.acct"),
    ("学生身份证号发在群里", "INFO.pii"),
    ("晨检没有按时上报", "HLTH.check"),
    ("有同学被围堵欺负", "STUD.bully"),
    ("学校旁边水塘没有警示牌", "STUD.water"),
    ("枯树枝快掉下来了", "NATR.wind"),
    ("坡道结冰很滑", "NATR.snow"),
    ("值班表没有带班领导", "MGMT.watch"),
    ("exit sign not lit", "FIRE.exit"),
    ("broken socket in room 204", "ELEC.use"),
    ("loose railing on the third floor", "BLDG.rail"),
    ("fire extinguisher gauge in the red", "FIRE.equip"),
    ("manhole cover missing", "BLDG.ground"),
]


@pytest.mark.parametrize("words, category", SENTENCES)
def test_the_category_a_person_would_choose_comes_first(words: str, category: str) -> None:
    assert [each.category for each in suggest(words)][:1] == [category]


@pytest.mark.parametrize("words", ["", " ", "你好", "今天天气不错", "老师开会迟到", "abc", "。。。", "👩‍🔧", "1234"])
def test_words_like_nothing_we_know_get_no_suggestion(words: str) -> None:
    assert suggest(words) == []


def test_every_sample_is_suggested_its_own_category_among_the_best() -> None:
    for sample in samples().values():
        for words in (sample.title.zh, sample.title.en):
            assert sample.category in [each.category for each in suggest(words)], words


@pytest.mark.parametrize("words", [*(words for words, _ in SENTENCES), "插座" * LONGEST, "\ud800\0<b>灭火器</b>"])
def test_suggestions_are_few_known_in_order_and_the_same_every_time(words: str) -> None:
    found = suggest(words)
    assert found == suggest(words)
    assert len(found) <= BEST
    assert {each.category for each in found} <= set(taxonomy().subcategories)
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
