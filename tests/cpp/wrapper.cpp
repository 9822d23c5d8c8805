/* embed.hpp: every function of it once, held against embed.h. Run from the repository root. */
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "embed.hpp"

#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth)) {                                                                            \
            std::printf("%s:%d: false: %s\n", __FILE__, __LINE__, #truth);                         \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

#define MODELS "tests/data/models/"

/* The error that f throws, of this status. */
template <class F> static std::string thrown(int32_t status, F f)
{
    int32_t found = EMBED_OK;
    std::string sentence;
    try {
        f();
    } catch (const embed::error &e) {
        found = e.status();
        sentence = e.what();
    }
    CHECK(found == status);
    return sentence;
}

static bool has(const std::string &text, const char *part)
{
    return text.find(part) != std::string::npos;
}

static std::vector<float> by_c(const embed::model &model, const embed_input *input, std::size_t dim)
{
    std::vector<float> vectors(dim * static_cast<std::size_t>(input->count));
    embed_session *session = nullptr;
    CHECK(embed_session_create(model.get(), nullptr, &session, nullptr) == EMBED_OK);
    CHECK(embed_encode(session, input, nullptr, vectors.data(), static_cast<int64_t>(dim)) == EMBED_OK);
    embed_session_free(session);
    return vectors;
}

static void models()
{
    CHECK(has(thrown(EMBED_EIO, [] { embed::model model("/nowhere"); }), "/nowhere"));
    CHECK(has(thrown(EMBED_EFORMAT, [] { embed::model model("1234", 4); }), "safetensors"));
    embed::open_options options;
    options.isa = "no such set";
    CHECK(has(thrown(EMBED_EUNSUPPORTED, [&] { embed::model model(MODELS "bert", options); }), "no such set"));

    embed::model model(MODELS "st-dense");
    CHECK(model.dim() == 18);
    CHECK(model.info(EMBED_INFO_DIM) == 18 && model.info(EMBED_INFO_HIDDEN_SIZE) > 0);
    thrown(EMBED_EINVAL, [&] { model.info(12345); });
    CHECK(has(std::string(model.describe()), "\"family\""));
    CHECK(!model.prompt_names().empty());
    const std::string name(model.prompt_names()[0]);
    CHECK(model.prompt(name) && !model.prompt("no such prompt"));
    CHECK(model.token_text(model.token_id("[CLS]")) == std::string("[CLS]"));
    CHECK(model.token_id("no such token") == EMBED_EMISSING && !model.token_text(-1));
    CHECK(model.warnings().size() < 10);
    embed::encode_options pooler;
    pooler.pooling = 12345;
    thrown(EMBED_EINVAL, [&] { model.dim(pooler); });
}

static void texts()
{
    embed::session_options small;
    small.threads = 1;
    /* The session keeps the model open. */
    embed::session session = [&] { return embed::session(embed::model(MODELS "bert"), small); }();
    embed::model model(MODELS "bert");
    const char *texts[] = {"a cat on a mat", "ein Hund"};
    embed_input input = EMBED_INPUT_INIT;
    input.texts = texts;
    input.count = 2;
    const std::vector<float> expected = by_c(model, &input, model.dim());

    embed::matrix braces = session.encode({"a cat on a mat", "ein Hund"});
    CHECK(braces.rows == 2 && braces.columns == model.dim() && braces.data == expected);
    CHECK(session.encode(texts).data == expected);
    CHECK(session.encode(std::list<std::string>{texts[0], texts[1]}).data == expected);
    CHECK(session.encode(std::array<std::string_view, 2>{texts[0], texts[1]}).data == expected);
    /* A view ends where it ends. */
    CHECK(session.encode({std::string_view("a cat on a mat, and more", 14), "ein Hund"}).data == expected);
    CHECK(session.encode(std::vector<std::string>{}).rows == 0);
    CHECK(session.encode({std::string_view()}).data == session.encode({""}).data);

    std::vector<float> own(2 * braces.columns);
    session.encode({texts[0], texts[1]}, own, braces.columns);
    CHECK(own == expected);
    thrown(EMBED_EINVAL, [&] { session.encode({"a", "b", "c"}, own, braces.columns); });
    CHECK(has(thrown(EMBED_EUTF8, [&] { session.encode({"good", "\xff"}); }), "1"));

    embed::encode_options mean;
    mean.pooling = EMBED_POOL_MEAN;
    mean.dim = 5;
    CHECK(session.encode({"a cat"}, mean).columns == 5);

    embed::inputs in({"a", "b"});
    embed::inputs moved(std::move(in));
    CHECK(session.encode(moved).data == session.encode({"a", "b"}).data);
}

static void other_inputs()
{
    embed::session session{embed::model(MODELS "bert")};
    embed::tokens pair = session.tokenize("a cat", "a mat");
    CHECK(pair.sequence_ids.front() == -1 && pair.type_ids.back() == 1);
    CHECK(session.encode(embed::inputs::token_ids(std::vector<std::vector<int32_t>>{})).rows == 0);

    embed::tokens one = session.tokenize("a cat");
    CHECK(one.size() == one.offsets.size() && one.size() == one.word_ids.size());
    CHECK(one.offsets[1].first == 0 && one.offsets[1].second == 1);
    std::vector<std::vector<int32_t>> ids = {one.ids, one.ids};
    embed::matrix of_ids = session.encode(embed::inputs::token_ids(ids));
    embed::matrix of_text = session.encode({"a cat"});
    CHECK(of_ids.rows == 2);
    CHECK(std::equal(of_text.data.begin(), of_text.data.end(), of_ids[1].data()));

    const std::vector<std::string> first = {"a cat"}, second = {"a mat"}, none;
    embed::matrix of_pair = session.encode(embed::inputs::pairs(first, second));
    CHECK(of_pair.rows == 1 && of_pair.data != of_text.data);
    thrown(EMBED_EINVAL, [&] { embed::inputs::pairs(first, none); });

    embed::token_vectors hidden = session.last_hidden_state({"a cat", "a cat on a mat"});
    CHECK(hidden.size() == 2 && hidden.tokens(0) == one.size());
    CHECK(hidden.tokens(1) == static_cast<std::size_t>(session.count_tokens({"a cat on a mat"})[0]));
    CHECK(hidden.hidden_size == 20 && hidden(1, 0).size() == 20);
    embed::encode_options cls;
    cls.pooling = EMBED_POOL_CLS;
    embed::matrix expected = session.encode({"a cat on a mat"}, cls);
    CHECK(std::equal(expected.data.begin(), expected.data.end(), hidden(1, 0).data()));
    CHECK(session.last_hidden_state(std::vector<std::string>{}).size() == 0);
}

static void images()
{
    const char *path = "tests/data/images/bmp-00.bmp";
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const std::vector<unsigned char> grey(40 * 30, 200);
    const std::vector<embed_image> images = {embed::image_file(path),
                                             embed::image_bytes(bytes.data(), bytes.size()),
                                             embed::image_pixels(grey.data(), 40, 30, EMBED_IMAGE_GREY)};
    embed::session session{embed::model(MODELS "vit")};
    embed::matrix vectors = session.encode(images);
    CHECK(vectors.rows == 3);
    CHECK(std::equal(vectors[0].begin(), vectors[0].end(), vectors[1].begin()));
    CHECK(!std::equal(vectors[0].begin(), vectors[0].end(), vectors[2].begin()));
    CHECK(session.last_hidden_state(images).tokens(2) > 1);
    const std::vector<embed_image> missing = {embed::image_file("nowhere.png")};
    CHECK(has(thrown(EMBED_EIO, [&] { session.encode(missing); }), "nowhere.png"));

    embed::session both{embed::model(MODELS "clip")};
    CHECK(both.encode(images).rows == 3);
    CHECK(both.last_hidden_state(images).size() == 3);
}

static void similarities()
{
    embed::matrix a, b;
    a.data = {1, 0, 3, 4};
    a.rows = a.columns = b.columns = 2;
    b.data = {0, 2};
    b.rows = 1;
    embed::matrix scores = embed::similarity(EMBED_SIMILARITY_DOT, a, b);
    CHECK(scores.rows == 2 && scores.columns == 1 && scores.data[1] == 8);
    CHECK(embed::similarity(EMBED_SIMILARITY_DOT, a[0], a[1]) == 3);
    b.columns = 1;
    thrown(EMBED_EINVAL, [&] { embed::similarity(EMBED_SIMILARITY_DOT, a, b); });
    thrown(EMBED_EINVAL, [&] { embed::similarity(99, a, a); });
}

int main()
{
    models();
    texts();
    other_inputs();
    images();
    similarities();
    std::printf("embed.hpp: as embed.h\n");
    return 0;
}
